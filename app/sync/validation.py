"""What Kota documents as wrong, looked for in changed fields only.

Each rule stands in Kota's OpenAPI, in the prose of the create requests. Where Kota leaves something open (formats of
tax ids, which dates are "today"), it is left to Kota: a real person must not be turned away by our taste.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from app.errors import FieldError, pointer_to
from app.sync.countries import COUNTRIES, WITH_STATES
from app.sync.fields import OUR_KEY
from app.sync.kinds import Fields, Kind, KindName

MAX_METADATA_KEYS = 25
"""Of which one is ours."""
EARLIEST = date(1900, 1, 1)
# Kota names no time zone for its days. Somewhere it is still yesterday, and somewhere it is tomorrow already.
LAST_ZONE, FIRST_ZONE = timedelta(hours=-12), timedelta(hours=14)
NEVER_EMPTY = frozenset({"first_name", "last_name", "national_tax_id", "email", "phone_number"})
ADDRESSES = frozenset({"legal_address", "home_address"})
DATES = frozenset({"date_of_birth", "start_on", "earliest_benefits_start_date"})

Faults = Iterator[FieldError]


def faults(kind: Kind, desired: Fields, *, changed: frozenset[str], at_kota: bool, now: datetime) -> list[FieldError]:
    """What Kota would refuse in the `changed` fields; `at_kota` is whether the record was created there."""
    found: list[FieldError] = []
    for name in sorted(changed & desired.keys()):
        value = desired[name]
        if name in DATES:
            found += _date(name, value, future_only=_must_be_future(kind, name, at_kota), now=now)
        elif name in RULES:
            found += RULES[name](name, value)
        elif name in ADDRESSES:
            found += _address(name, value)
        elif name in NEVER_EMPTY:
            found += _not_empty(f"/{name}", value)
    return found


def _must_be_future(kind: Kind, name: str, at_kota: bool) -> bool:
    return kind.name is KindName.EMPLOYER and name == "earliest_benefits_start_date" and not at_kota


def _not_empty(pointer: str, value: str) -> Faults:
    if not value.strip():
        yield FieldError(pointer, "must not be empty")


def _date(name: str, value: str, *, future_only: bool, now: datetime) -> Faults:
    pointer = f"/{name}"
    try:
        day = date.fromisoformat(value) if len(value) == 10 else None
    except ValueError:
        day = None
    if day is None:
        yield FieldError(pointer, "must be a calendar date, YYYY-MM-DD")
    elif name in {"date_of_birth", "start_on"} and day <= EARLIEST:
        yield FieldError(pointer, "must be after 1900-01-01")
    elif name == "date_of_birth" and day >= (now + FIRST_ZONE).date():
        yield FieldError(pointer, "must be in the past")
    elif future_only and day <= (now + LAST_ZONE).date():
        yield FieldError(pointer, "must be in the future")


def _address(name: str, address: dict[str, str]) -> Faults:
    for part in ("line1", "city", "postal_code"):
        yield from _not_empty(f"/{name}/{part}", address[part])
    yield from _country(f"{name}/country_code", address["country_code"])
    if address["country_code"] in WITH_STATES and not address.get("state", "").strip():
        yield FieldError(f"/{name}/state", "is required for this country")


def _country(name: str, value: str) -> Faults:
    if value not in COUNTRIES:
        yield FieldError(f"/{name}", "must be an ISO 3166-1 alpha-2 country code, or xk")


def _metadata(name: str, metadata: dict[str, str]) -> Faults:
    if len(metadata) > MAX_METADATA_KEYS - 1:
        yield FieldError(f"/{name}", f"must have at most {MAX_METADATA_KEYS - 1} keys beside {OUR_KEY}")
    for key, value in metadata.items():
        if len(key) > 40:
            yield FieldError(f"/{name}", "must have keys of at most 40 characters")
        if len(value) > 500:
            yield FieldError(pointer_to(name, key), "must be at most 500 characters")


RULES: dict[str, Callable[[str, Any], Faults]] = {"nationality": _country, "metadata": _metadata}
