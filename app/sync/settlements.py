"""What can come of a push. Pure; `app.sync.settling` writes it down."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Self
from uuid import UUID

from app.errors import FieldError
from app.models import SyncState
from app.sync.kinds import OFFBOARDED, Fields

DUPLICATE = "duplicate_at_kota"


@dataclass(frozen=True, slots=True)
class Held:
    """A version of a record, and the lease under which it is pushed and settled."""

    ref: str
    token: UUID
    version: int
    """The version that is sent: of a repeated create, the one that was sent first."""


@dataclass(frozen=True, slots=True)
class Settlement(Held):
    """The result of one push. If the host changed the record meanwhile, it stays pending and is due.

    Made by its constructors only:

    ============= ========== ================= =====================
    constructor   state      attempts          key and body on disk
    ============= ========== ================= =====================
    `accepted`    synced     from 0 again      forgotten
    `adopted`     pending    from 0 again      forgotten
    `rejected`    rejected   from 0 again      as told
    `retry`       pending    this one counts   as told
    `untouched`   pending    this one does not as told
    ============= ========== ================= =====================
    """

    state: SyncState
    kota_id: str | None = None
    """Newly known."""
    synced: Fields | None = field(default=None, repr=False)
    """What Kota now has; None if that is what it had before."""
    retry_in: timedelta | None = None
    """For a pending record: when to try again; None is at once."""
    resets_attempts: bool = False
    """Whether there is a verdict, and attempts count from 0 again."""
    returns_attempt: bool = False
    """Whether the attempt that the claim counted was none."""
    forget_push: bool = False
    """Whether the key and body on disk have served, or never will."""
    push_body: bytes | None = field(default=None, repr=False)
    """With `forget_push`: an earlier body whose outcome is still unknown."""
    look_up: bool = False
    """Whether Kota's lists are searched before the key on disk is used again."""
    sent: bool = False
    """Whether a body that stays on disk may have changed something at Kota just now."""
    error_code: str | None = None
    error_trace_id: str | None = None
    error_fields: list[dict[str, str]] | None = field(default=None, repr=False)

    @classmethod
    def accepted(cls, held: Held, *, synced: Fields, kota_id: str | None = None) -> Self:
        """Kota has all of it. `kota_id` is that of a record that it just made."""
        return cls(
            held.ref,
            held.token,
            held.version,
            SyncState.SYNCED,
            kota_id=kota_id,
            synced=synced,
            resets_attempts=True,
            forget_push=True,
        )

    @classmethod
    def adopted(cls, held: Held, *, kota_id: str, synced: Fields, is_leaving: bool) -> Self:
        """Kota had the record already. What it says otherwise is pushed next, unless it is leaving: then it is bound
        and rejected."""
        return cls(
            held.ref,
            held.token,
            held.version,
            SyncState.REJECTED if is_leaving else SyncState.PENDING,
            kota_id=kota_id,
            synced=synced,
            resets_attempts=True,
            forget_push=True,
            error_code=OFFBOARDED if is_leaving else None,
        )

    @classmethod
    def rejected(
        cls,
        held: Held,
        code: str,
        *,
        trace_id: str | None = None,
        errors: Sequence[FieldError] | None = None,
        forget_push: bool = False,
        unresolved_body: bytes | None = None,
        look_up: bool = False,
    ) -> Self:
        """Kota refuses it, or we do, and only a change by the host helps."""
        return cls(
            held.ref,
            held.token,
            held.version,
            SyncState.REJECTED,
            resets_attempts=True,
            forget_push=forget_push,
            push_body=unresolved_body,
            look_up=look_up,
            error_code=code,
            error_trace_id=trace_id,
            error_fields=None if errors is None else [fault.as_json() for fault in errors],
        )

    @classmethod
    def retry(
        cls,
        held: Held,
        code: str,
        *,
        trace_id: str | None,
        retry_in: timedelta,
        sent: bool,
        forget_push: bool,
        look_up: bool,
    ) -> Self:
        """It failed, or nobody knows how it ended."""
        return cls(
            held.ref,
            held.token,
            held.version,
            SyncState.PENDING,
            retry_in=retry_in,
            forget_push=forget_push,
            look_up=look_up,
            sent=sent,
            error_code=code,
            error_trace_id=trace_id,
        )

    @classmethod
    def untouched(
        cls,
        held: Held,
        *,
        retry_in: timedelta | None = None,
        forget_push: bool = False,
        look_up: bool = False,
        code: str | None = None,
        trace_id: str | None = None,
    ) -> Self:
        """Nothing was done about this record: it was not its turn, or pushing is paused."""
        return cls(
            held.ref,
            held.token,
            held.version,
            SyncState.PENDING,
            retry_in=retry_in,
            returns_attempt=True,
            forget_push=forget_push,
            look_up=look_up,
            error_code=code,
            error_trace_id=trace_id,
        )

    def with_id_taken(self) -> Self:
        """Instead of an id that another record holds: a rejection that says so."""
        return replace(
            self,
            state=SyncState.REJECTED,
            kota_id=None,
            synced=None,
            retry_in=None,
            error_code="kota_id_taken",
            error_fields=None,
        )
