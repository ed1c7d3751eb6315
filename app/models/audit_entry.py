"""Who did what to which record, and when."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class AuditEntry(Base):
    """One change that somebody asked for. Names and references only: nothing of what was written."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "subject", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    actor: Mapped[str]
    """The name of a service key, or `cli` for a command that somebody ran beside the database."""
    action: Mapped[str]
    """`noun.verb`, such as `employee.put`."""
    subject: Mapped[str]
    """`kind:ref`, such as `employee:emp-42`."""
    request_id: Mapped[str]
