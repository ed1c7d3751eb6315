"""What a person has to do at Kota, and who has put it aside."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.encryption import EncryptedText

SEEN_BYTES = 32
ERASED_CONTENT = b""
"""In the place of the digest: the texts were erased with a person, and the host is told so."""


class NotificationAudience(StrEnum):
    """Who has to act. What is for the operator is told to the host's backend only."""

    EMPLOYER = "employer"
    EMPLOYEE = "employee"
    OPERATOR = "operator"


class NotificationState(StrEnum):
    """Whether it still waits for somebody."""

    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


class Notification(Base):
    """One required action of one resource at Kota. It names people by Kota's ids: their records may come later."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("kind", "resource_id", "action"),
        Index("ix_notifications_employee", "kota_employee_id", postgresql_where=text("state = 'open'")),
        Index("ix_notifications_employer", "kota_employer_id", postgresql_where=text("state = 'open'")),
        Index("ix_notifications_due", "due_on", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    kind: Mapped[str]
    resource_id: Mapped[str]
    action: Mapped[str]
    """What is to be done, such as `action_required`: one resource may ask for several things over time."""
    code: Mapped[str | None]
    """Kota's own code of the action; an open set."""
    audience: Mapped[NotificationAudience]
    kota_employer_id: Mapped[str | None]
    kota_employee_id: Mapped[str | None]
    external_customer_id: Mapped[str | None]
    title: Mapped[str] = mapped_column(EncryptedText)
    body: Mapped[str | None] = mapped_column(EncryptedText)
    due_on: Mapped[date | None]
    """The last day on which it can be done, by the calendar of whoever has to do it."""
    content_digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Keyed digests. The first `SEEN_BYTES` are of what a person sees: a change of it brings back what was dismissed.
    Behind them is that of the references with which the host was told."""
    state: Mapped[NotificationState] = mapped_column(
        default=NotificationState.OPEN, server_default=NotificationState.OPEN.value
    )
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]


class NotificationDismissal(Base):
    """One person does not want to see one notification as it was then."""

    __tablename__ = "notification_dismissals"

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True)
    subject_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    content_digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Of what the person saw."""
    dismissed_at: Mapped[datetime] = mapped_column(server_default=func.now())
