"""The lines of contribution reports."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.encryption import EncryptedText


class ContributionLine(Base):
    """One amount of one employee, as one reading of a report found it."""

    __tablename__ = "contribution_lines"
    __table_args__ = (Index(None, "id"),)

    report_id: Mapped[str] = mapped_column(ForeignKey("contribution_reports.id", ondelete="CASCADE"), primary_key=True)
    reading: Mapped[UUID] = mapped_column(primary_key=True)
    kota_employee_id: Mapped[str] = mapped_column(primary_key=True)
    payer: Mapped[str] = mapped_column(primary_key=True)
    """`employer` or `employee`: which of Kota's two lists it came from."""
    id: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str]
    member_type: Mapped[str]
    type: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric)
    """As Kota wrote it, sign and digits: nothing here rounds or re-signs."""
    currency: Mapped[str]
    adjustment: Mapped[bool]
    adjustment_for: Mapped[str | None]
    cover_from: Mapped[date]
    cover_to: Mapped[date]
    reporting_month: Mapped[date]
    policy_id: Mapped[str | None]
    note: Mapped[str | None] = mapped_column(EncryptedText)
