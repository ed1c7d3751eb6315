"""What the next step towards a record's desired state is. Pure: a row and the time in, a step out.

Kota keeps an idempotency key for an hour and scopes it to the API key (Kota's page "Idempotency"). So a create whose
outcome is unknown is repeated, byte for byte, while that holds; afterwards only Kota's lists can tell what came of it,
and they are asked before anything is created again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.sync.fields import create_body, differing, immutable_differences, named_in, update_body
from app.sync.kinds import LEAVING, Kind, Record


@dataclass(frozen=True, slots=True)
class PlanRules:
    """The times by which creates are repeated or looked up, and the API key that is in use, as a fingerprint."""

    api_key: str
    idempotency_window: timedelta
    """How long a key is good for repeating; less than Kota's hour."""
    look_up_after: timedelta
    """How long after an attempt Kota's lists are trusted to show what it did."""
    conflict_patience: timedelta
    """How long a key that Kota refuses with 409 may still belong to a call that is running there."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Kota was sent all of it."""


@dataclass(frozen=True, slots=True)
class WaitForEmployer:
    """Kota must have the employer first."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too early to look: try again this much later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Differs:
    """Kota has other values in fields that it cannot change; a person has to decide."""

    pointers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """The record is being offboarded, or was: a sync never touches it again."""


@dataclass(frozen=True, slots=True)
class Create:
    """Send `body`. `key` is the one to repeat, or None for the first attempt."""

    body: bytes
    key: str | None


@dataclass(frozen=True, slots=True)
class Update:
    """Send the fields in `body`."""

    body: bytes


@dataclass(frozen=True, slots=True)
class LookUp:
    """Search Kota's lists for the record. If it is not there, `same_key` says whether the key is still good. A record
    that has Kota's id is read by it."""

    same_key: bool


Step = Nothing | WaitForEmployer | Wait | Differs | LeaveAlone | Create | Update | LookUp


def next_step(kind: Kind, record: Record, *, employer_id: str | None, now: datetime, rules: PlanRules) -> Step:
    """The step for `record` at `now`; `employer_id` is Kota's id of its employer, None if there is none yet."""
    if record.kota_id is not None:
        return LeaveAlone() if record.kota_status in LEAVING else _update(kind, record)
    if record.push_key is not None:
        return _repeat(record, now=now, rules=rules)
    if kind.has_employer and employer_id is None:
        return WaitForEmployer()
    return Create(create_body(record.desired, ref=record.ref, employer_id=employer_id), None)


def _update(kind: Kind, record: Record) -> Step:
    if record.synced is None:
        # No key opened it any more. Kota's own copy says what it cannot change; all else is sent again.
        return LookUp(same_key=False)
    synced = record.synced
    if pointers := immutable_differences(kind, record.desired, synced):
        return Differs(tuple(pointers))
    # A push whose outcome nobody recorded may have changed these at Kota, so `synced` does not speak for them.
    uncertain = (named_in(record.push_body) & record.desired.keys()) - kind.immutable
    fields = differing(kind, record.desired, synced) | uncertain
    if not fields:
        return Nothing()
    return Update(update_body(kind, record.desired, ref=record.ref, fields=fields))


def _repeat(record: Record, *, now: datetime, rules: PlanRules) -> Step:
    if record.push_started_at is None or record.push_tried_at is None:
        raise ValueError("a push key is stored without what it was used for")
    age = now - record.push_started_at
    same_api_key = record.push_api_key == rules.api_key
    # Bytes that no key opened any more are not there, and cannot be repeated.
    in_time = same_api_key and age < rules.idempotency_window and record.push_body is not None
    if in_time and record.push_body is not None and not record.push_look_up:
        return Create(record.push_body, record.push_key)
    early = record.push_tried_at + rules.look_up_after - now
    if early > timedelta(0):
        return Wait(early.total_seconds())
    return LookUp(same_key=in_time and age < rules.conflict_patience)
