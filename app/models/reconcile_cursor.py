"""How far Kota's list of events has been read."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class ReconcileCursor(Base):
    """One row for each version of events."""

    __tablename__ = "reconcile_cursors"

    version: Mapped[str] = mapped_column(primary_key=True)
    seen_until: Mapped[datetime]
    """Kota's own time of the newest event that was seen."""
    requested_from: Mapped[datetime | None]
    """Where the next run is to begin, because somebody asked for it."""
    finished_at: Mapped[datetime | None]
    """When a run last reached the end of the list."""
