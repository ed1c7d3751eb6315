"""Only what Kota documents as wrong is refused; anything that a real person might have is not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import FieldError
from app.sync.fields import canonical
from app.sync.kinds import EMPLOYEES, EMPLOYERS
from app.sync.rejections import host_errors, pointer_of
from app.sync.validation import faults
from app.sync.warnings import warnings_about
from tests.support.records import employee_record, employer_record

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def pointers(kind: Any, record: dict[str, Any], *, at_kota: bool = False) -> list[str]:
    record.pop("employer_ref", None)
    desired = canonical(kind, record)
    return [fault.pointer for fault in faults(kind, desired, changed=frozenset(desired), at_kota=at_kota, now=NOW)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"nationality": "XK"}, []),
        ({"nationality": "zz"}, ["/nationality"]),
        ({"first_name": " "}, ["/first_name"]),
        ({"date_of_birth": "2026-06-14"}, []),
        ({"date_of_birth": "2026-06-16"}, ["/date_of_birth"]),
        ({"date_of_birth": "1900-01-01"}, ["/date_of_birth"]),
        ({"start_on": "20240101"}, ["/start_on"]),
        ({"start_on": "2024-02-30"}, ["/start_on"]),
        ({"start_on": "2030-01-01"}, []),
        ({"metadata": {f"k{n}": "v" for n in range(24)}}, []),
        ({"metadata": {f"k{n}": "v" for n in range(25)}}, ["/metadata"]),
        ({"metadata": {"k" * 41: "v"}}, ["/metadata"]),
        ({"metadata": {"a/b~c": "v" * 501}}, ["/metadata/a~1b~0c"]),
    ],
)
def test_employees(changes: dict[str, Any], expected: list[str]) -> None:
    assert pointers(EMPLOYEES, employee_record("acme", **changes)) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"country_code": "US"}, ["/legal_address/state"]),
        ({"country_code": "ca", "state": "ON"}, []),
        ({"country_code": "ire"}, ["/legal_address/country_code"]),
        ({"line1": "", "city": " "}, ["/legal_address/line1", "/legal_address/city"]),
    ],
)
def test_addresses(address: dict[str, str], expected: list[str]) -> None:
    record = employer_record()
    assert pointers(EMPLOYERS, record | {"legal_address": record["legal_address"] | address}) == expected


def test_employers_benefits_start_in_the_future_when_it_is_created() -> None:
    record = employer_record(earliest_benefits_start_date="2026-06-14")
    assert pointers(EMPLOYERS, dict(record)) == ["/earliest_benefits_start_date"]
    assert pointers(EMPLOYERS, dict(record), at_kota=True) == []
    # Somewhere it is still the day before.
    assert pointers(EMPLOYERS, employer_record(earliest_benefits_start_date="2026-06-16")) == []


def test_unchanged_fields_are_not_looked_at() -> None:
    desired = canonical(EMPLOYEES, employee_record("acme", nationality="zz"))
    assert faults(EMPLOYEES, desired, changed=frozenset({"first_name"}), at_kota=True, now=NOW) == []


def test_warnings_are_about_phones_mails_and_accounts() -> None:
    desired = canonical(EMPLOYEES, employee_record("acme", phone_number="+353850000000", bank_account=None))
    assert warnings_about(desired, changed=frozenset(desired)) == []
    desired |= {"phone_number": "call me", "email": "a@b", "bank_account": {"account_number": "GB33BUKB20201555555555"}}
    assert [fault.pointer for fault in warnings_about(desired, changed=frozenset(desired))] == [
        "/phone_number",
        "/email",
    ]
    employer = canonical(EMPLOYERS, employer_record(contact={"name": "C", "email": "nobody"}))
    assert [fault.pointer for fault in warnings_about(employer, changed=frozenset(employer))] == ["/contact/email"]


@pytest.mark.parametrize(
    ("place", "pointer"),
    [
        ("$.home_address.postal_code", "/home_address/postal_code"),
        ("HomeAddress.PostalCode", "/home_address/postal_code"),
        ("$.employer_id", "/employer_ref"),
        ("$.metadata.id", "/ref"),
        ("$.metadata.costCentre", "/metadata/costCentre"),
        ("Idempotency-Key", ""),
        ("$", ""),
    ],
)
def test_places_become_pointers_into_the_hosts_record(place: str, pointer: str) -> None:
    assert pointer_of(place) == pointer


def test_every_message_of_a_place_is_kept() -> None:
    assert host_errors({"$.email": ["a", "b"]}, sent={}) == [
        FieldError("/email", "a"),
        FieldError("/email", "b"),
    ]
