"""What the host is to be told: the newest state of each object, and how far it has come."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.encryption import EncryptedJSON
from app.db.leases import Leased, due_index


class OutboxState(StrEnum):
    """What has become of the newest version."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class OutboxMessage(Leased, Base):
    """One row an object: a newer version takes the place of one that was not delivered yet."""

    __tablename__ = "outbox_messages"
    __table_args__ = (due_index("outbox_messages"),)

    object: Mapped[str] = mapped_column(primary_key=True)
    """Such as `notification/<id>`. No personal data."""
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    """Rises with every change, also of what was never delivered."""
    type: Mapped[str]
    content: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON)
    """The whole object. Gone once it was delivered."""
    state: Mapped[OutboxState] = mapped_column(default=OutboxState.PENDING, server_default=OutboxState.PENDING.value)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When this version came about."""
    replayed_at: Mapped[datetime | None]
    """When somebody asked for it again: the time after which it is given up begins anew."""
    delivered_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
