"""What Kota answers about events; the events themselves are `Envelope`s."""

from pydantic import Field

from app.kota.schemas.base import KotaModel, Loose


class ReplayDelivery(KotaModel):
    delivery_id: Loose[str] = None
    success: Loose[bool] = None
    response_status_code: Loose[int] = None


class Replay(KotaModel):
    """The deliveries that a replay made, one attempt each."""

    event_id: Loose[str] = None
    deliveries: list[ReplayDelivery] = Field(default_factory=list)
