"""Employers: one legal entity in one country."""

from sqlalchemy import Index

from app.db.base import Base
from app.db.leases import due_index
from app.models.records import SyncedRecord


class Employer(SyncedRecord, Base):
    """An employer that the host wants at Kota."""

    __tablename__ = "employers"
    __table_args__ = (due_index("employers"), Index(None, "updated_at", "ref"))
