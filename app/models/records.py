"""What an employer's and an employee's row have in common: a record that the host wants to be at Kota."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import LargeBinary, false, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.encryption import EncryptedBytes, EncryptedJSON
from app.db.leases import Leased


class SyncState(StrEnum):
    """How far a record is on its way to Kota."""

    PENDING = "pending"
    SYNCED = "synced"
    REJECTED = "rejected"


class SyncedRecord(Leased):
    """The desired state, what Kota last accepted, and the one push that may be under way between them."""

    ref: Mapped[str] = mapped_column(primary_key=True)
    """The host's own id. No personal data."""
    kota_id: Mapped[str | None] = mapped_column(unique=True)
    kota_status: Mapped[str | None]
    """As Kota last showed it; an open set. Written from Kota's answers only, never by a push."""
    kota_status_at: Mapped[datetime | None]
    """When Kota was first seen to show it."""

    version: Mapped[int] = mapped_column(default=1, server_default="1")
    """Rises with every accepted change of `desired`."""
    desired: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON)
    desired_digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Keyed, so that equal records can be told without decrypting, and no record can be guessed."""
    synced: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON)
    synced_version: Mapped[int | None]
    state: Mapped[SyncState] = mapped_column(default=SyncState.PENDING, server_default=SyncState.PENDING.value)

    push_key: Mapped[str | None]
    """The idempotency key of a create whose outcome is not known yet. On disk before the first attempt."""
    push_body: Mapped[bytes | None] = mapped_column(EncryptedBytes)
    """The exact bytes of the push whose outcome is not known yet. A create must repeat them, or Kota takes it for
    another request; of an update they say which fields may differ at Kota from `synced`."""
    push_version: Mapped[int | None]
    push_started_at: Mapped[datetime | None]
    """When `push_key` was first used."""
    push_tried_at: Mapped[datetime | None]
    """When `push_key` was last used: for a while after that, Kota's lists may not show yet what it did."""
    push_api_key: Mapped[str | None]
    """A fingerprint of the API key it was sent under: Kota scopes idempotency keys to it."""
    push_look_up: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether Kota refused `push_key` itself, so that only a look at its lists can tell what came of it."""

    error_code: Mapped[str | None]
    error_trace_id: Mapped[str | None]
    error_fields: Mapped[list[dict[str, str]] | None] = mapped_column(EncryptedJSON)
    """`[{pointer, message}]` in the host's names. Encrypted, since Kota's messages may echo what they refuse."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
