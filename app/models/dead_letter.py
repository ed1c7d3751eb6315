"""Deliveries that were signed by Kota but are no events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class DeadLetter(Base):
    """A signed body that could not be read as an event, kept for a person to look at."""

    __tablename__ = "dead_letters"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    body_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """Keyed: the same delivery sent again is kept once."""
    body: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": True})
    reason: Mapped[str]
    deliveries: Mapped[int] = mapped_column(default=1, server_default="1")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
