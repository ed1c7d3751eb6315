"""Work that some worker does now and then, but never two at once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class PeriodicTask(Base):
    """A lease by name, and when the task is due again."""

    __tablename__ = "periodic_tasks"

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    """While somebody holds it: `lease_until`, or earlier if another run was asked for meanwhile."""
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    finished_at: Mapped[datetime | None]
