"""Offboardings that somebody confirmed, and what became of each."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.encryption import EncryptedBytes


class OffboardingState(StrEnum):
    """How far an offboarding is."""

    REQUESTED = "requested"
    """Sent, or about to be: the outcome is not known."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    NEEDS_CONFIRMATION = "needs_confirmation"
    """Its outcome was never learnt, and Kota shows no offboarding. It is not sent again by itself."""


class Offboarding(Base):
    """One confirmed offboarding, on disk with its idempotency key before it is sent."""

    __tablename__ = "offboardings"
    __table_args__ = (
        Index(None, "kind", "ref", "requested_at"),
        Index("ix_offboardings_open", "requested_at", postgresql_where=text("state = 'requested'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    kind: Mapped[str]
    ref: Mapped[str]
    kota_id: Mapped[str]
    state: Mapped[OffboardingState] = mapped_column(
        default=OffboardingState.REQUESTED, server_default=OffboardingState.REQUESTED.value
    )
    offboard_on: Mapped[date | None]
    body: Mapped[bytes | None] = mapped_column(EncryptedBytes)
    """The exact bytes, until the outcome is known."""
    key: Mapped[str]
    confirmed_by: Mapped[str]
    """The name of the service key."""
    confirmation: Mapped[str | None] = mapped_column(unique=True)
    """A digest of the token that confirmed it: no token confirms twice. None in rows from before this was kept."""
    confirmed_until: Mapped[datetime]
    """The life of the confirmation: after it nothing is sent any more."""
    error_code: Mapped[str | None]
    """Why Kota refused it; of an open one, why it has not happened yet. None on an open one says that it may have."""
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]
