"""Contribution reports: what payroll deducts and pays, by employer and period."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.leases import Leased, due_index


class ContributionReport(Leased, Base):
    """A report by Kota's id, refreshed while it is open and frozen once it is finalized."""

    __tablename__ = "contribution_reports"
    __table_args__ = (
        due_index("contribution_reports"),
        Index(None, "kota_employer_id", "period_from", "id"),
        Index(None, "period_from", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kota_employer_id: Mapped[str]
    external_customer_id: Mapped[str | None]
    period_from: Mapped[date]
    period_to: Mapped[date]
    status: Mapped[str]
    """`open` or `finalized`, as Kota last showed it; an open set."""
    finalized_at: Mapped[datetime | None]
    final_seen_at: Mapped[datetime | None]
    """When it was first seen here that it is final, by the clock of the database."""
    kota_updated_at: Mapped[datetime | None]
    reading: Mapped[UUID | None]
    """Which reading of the lines is the current one; None before the first."""
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the lines of that reading: two equal digests show the same lines."""
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    frozen: Mapped[bool] = mapped_column(default=False, server_default="false")
    """The lines were read when Kota's lists had caught up with the end of the report: nothing changes them any more."""
    read_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
