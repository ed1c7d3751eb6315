"""Employees, each of one employer."""

from sqlalchemy import ColumnElement, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.leases import due_index
from app.models.records import SyncedRecord


class Employee(SyncedRecord, Base):
    """An employee that the host wants at Kota, and the employer and customer they belong to."""

    __tablename__ = "employees"
    __table_args__ = (
        due_index("employees"),
        Index(None, "employer_ref", "ref"),
        Index(None, "updated_at", "ref"),
        Index(
            "ix_employees_waiting",
            "employer_ref",
            postgresql_where=text("state = 'pending' AND kota_id IS NULL AND next_attempt_at IS NULL"),
        ),
    )

    employer_ref: Mapped[str] = mapped_column(ForeignKey("employers.ref"))
    external_customer_id: Mapped[str | None]
    """The employer-of-record's own id of its customer. Plain, since it decides who may see what."""


ERASED_DIGEST = b""
"""In the place of the digest of what was desired: equal to that of no record, so that an erased row is known by it."""
IS_TOMBSTONE: ColumnElement[bool] = Employee.desired_digest == ERASED_DIGEST
"""People whose data was erased, and of whom the host has said nothing since."""
