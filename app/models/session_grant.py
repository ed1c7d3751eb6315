"""The record of every embed or hosted session that was handed out. The token itself is never stored."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.encryption import EncryptedText

SERVICE = "service:"
"""How the subject begins where a service asked, and the name of its key follows."""


class SessionGrant(Base):
    """Who asked, for whom, when, and until when it is good."""

    __tablename__ = "session_grants"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    kind: Mapped[str]
    """`embed` or `hosted`."""
    audience: Mapped[str]
    subject: Mapped[str] = mapped_column(EncryptedText)
    """The frontend user's `sub`, or `service:<key name>`. Encrypted: some hosts put an e-mail address there."""
    subject_digest: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    employer_ref: Mapped[str]
    employee_ref: Mapped[str | None]
    external_customer_id: Mapped[str | None]
    request_id: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    expires_at: Mapped[datetime]
