"""What keeps pushes back, for all workers at once."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class Gate(StrEnum):
    """The reasons that there are."""

    API_KEY = "api_key"
    """Kota answered 401 or 403. Closed for every push; one push at a time probes it."""
    RESTORE = "restore"
    """The database was restored from a backup. Closed for creates until an audit has adopted what Kota has."""


class PushGate(Base):
    """A gate that is, or was, closed. No row means open."""

    __tablename__ = "push_gates"

    name: Mapped[str] = mapped_column(primary_key=True)
    closed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    opened_at: Mapped[datetime | None]
    probe_at: Mapped[datetime | None]
    """When the next probe may go."""
    api_key: Mapped[str | None]
    """A fingerprint of the key that was refused: another key is worth a probe at once."""
    error_code: Mapped[str | None]
    error_trace_id: Mapped[str | None]
