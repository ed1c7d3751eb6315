"""Whether a record may become what the host now wants. Pure."""

from dataclasses import dataclass
from datetime import datetime

from app.errors import AppError, FieldError, InvalidInput, SyncInFlight
from app.sync.fields import created_by, immutable_differences, named_in
from app.sync.kinds import Fields, Kind, Record, is_leaving
from app.sync.refusals import CannotClear, ImmutableField, Offboarded
from app.sync.validation import faults


@dataclass(frozen=True, slots=True)
class Wanted:
    """One record as the host sends it: `desired` is canonical, `digest` tells it from others."""

    ref: str
    desired: Fields
    digest: bytes
    employer_ref: str | None = None


def changed_fields(wanted: Fields, before: Fields) -> frozenset[str]:
    """The top-level fields in which two records differ, those that only one has among them."""
    return frozenset(name for name in wanted.keys() | before.keys() if wanted.get(name) != before.get(name))


def refusal_of_new(kind: Kind, wanted: Wanted, *, now: datetime) -> AppError | None:
    """What stands against a record that nobody sent before."""
    found = faults(kind, wanted.desired, changed=frozenset(wanted.desired), at_kota=False, now=now)
    return InvalidInput(errors=found) if found else None


def refusal_of_change(
    kind: Kind, record: Record, wanted: Wanted, *, employer_ref: str | None, now: datetime
) -> AppError | None:
    """What stands against `record` becoming `wanted`; `employer_ref` is the record's present employer."""
    if is_leaving(kota_status=record.kota_status, error_code=record.error_code):
        return Offboarded()
    pointers = _immutable(kind, record, wanted, employer_ref=employer_ref)
    if refusal := _refusal_of_immutable(record, pointers):
        return refusal
    # What is on its way may have arrived. Of a record that Kota had before us, `synced` also says what others sent.
    sent = (record.desired.keys() & (record.synced or {}).keys()) | named_in(record.push_body)
    if cleared := sorted(sent - wanted.desired.keys()):
        return CannotClear(
            errors=[FieldError(f"/{name}", "was sent to Kota and cannot be cleared") for name in cleared]
        )
    changed = changed_fields(wanted.desired, record.desired)
    found = faults(kind, wanted.desired, changed=changed, at_kota=record.kota_id is not None, now=now)
    return InvalidInput(errors=found) if found else None


def refusal_of_mending(
    kind: Kind, record: Record, wanted: Wanted, *, employer_ref: str | None, now: datetime
) -> AppError | None:
    """What stands against `wanted` taking the place of what no key opens any more: what `record` says is not there.

    Fields that Kota cannot change cannot be compared here, but for the employer, which is plain. Refusing all would
    leave the record without a way out; so the push reads Kota's own copy before it sends anything, and rejects what
    differs there. Which fields were sent is not known either, so none counts as cleared, and all as changed.
    """
    if is_leaving(kota_status=record.kota_status, error_code=record.error_code):
        return Offboarded()
    at_kota = record.kota_id is not None
    pointers = [] if wanted.employer_ref == employer_ref or not (at_kota or record.push_key) else ["/employer_ref"]
    if refusal := _refusal_of_immutable(record, pointers):
        return refusal
    found = faults(kind, wanted.desired, changed=frozenset(wanted.desired), at_kota=at_kota, now=now)
    return InvalidInput(errors=found) if found else None


def _refusal_of_immutable(record: Record, pointers: list[str]) -> AppError | None:
    if pointers and record.kota_id is not None:
        return ImmutableField(errors=[FieldError(pointer, "cannot be changed at Kota") for pointer in pointers])
    if pointers:
        return SyncInFlight(
            "A create is under way with another value of a field that Kota cannot change."
            " Send it again once the record is synced or rejected."
        )
    return None


def _immutable(kind: Kind, record: Record, wanted: Wanted, *, employer_ref: str | None) -> list[str]:
    """Pointers to what would change although Kota has it, or may have it, otherwise.

    Of a record that no key opened any more it is not known what Kota was sent: the push reads Kota's own copy.
    """
    if record.kota_id is None and record.push_key is None:
        return []
    known = wanted.desired
    if record.kota_id is not None and record.synced is not None:
        known = record.synced
    elif record.kota_id is None and record.push_body is not None:
        known = created_by(record.push_body)
    pointers = immutable_differences(kind, wanted.desired, known)
    return pointers if wanted.employer_ref == employer_ref else ["/employer_ref", *pointers]
