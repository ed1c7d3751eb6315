"""The columns that make a row a job: when it is due, and who holds it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column


class Leased:
    """A row that a worker claims, works on and settles.

    `next_attempt_at` is when it is due; NULL means that there is nothing to do. `lease_token` changes with every claim,
    and whoever settles must show it: a holder that was taken for dead can no longer write its result.
    """

    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_attempt_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]


def due_index(table: str) -> Index:
    """The partial index that a claim reads; it holds only rows with something to do."""
    return Index(f"ix_{table}_due", "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL"))
