"""What the next step of a record is, from its row and the time alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.models import Employee, Employer
from app.sync.at_kota import known_from
from app.sync.fields import canonical, create_body, created_by, digest
from app.sync.kinds import EMPLOYEES, EMPLOYERS
from app.sync.plan import (
    Create,
    Differs,
    LeaveAlone,
    LookUp,
    Nothing,
    PlanRules,
    Update,
    Wait,
    WaitForEmployer,
    next_step,
)
from tests.support.records import employee_record, employer_record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = PlanRules(
    api_key="now",
    idempotency_window=timedelta(minutes=50),
    look_up_after=timedelta(seconds=30),
    conflict_patience=timedelta(minutes=2),
)


def employee(**columns: Any) -> Employee:
    fields = employee_record("acme")
    fields.pop("employer_ref")
    desired = canonical(EMPLOYEES, fields)
    return Employee(ref="e1", employer_ref="acme", desired=desired, push_look_up=False, **columns)


def sent(record: Employee, *, ago: timedelta, tried: timedelta | None = None, **columns: Any) -> Employee:
    record.push_key = "key"
    record.push_body = create_body(record.desired, ref="e1", employer_id="er_1")
    record.push_started_at = NOW - ago
    record.push_tried_at = NOW - (tried or ago)
    record.push_api_key = "now"
    for name, value in columns.items():
        setattr(record, name, value)
    return record


def step(record: Any, *, employer_id: str | None = "er_1", kind: Any = EMPLOYEES, rules: PlanRules = RULES) -> Any:
    return next_step(kind, record, employer_id=employer_id, now=NOW, rules=rules)


def test_new_record_is_created_with_our_key_in_its_metadata() -> None:
    record = employee()
    created = step(record)
    assert isinstance(created, Create)
    assert created.key is None
    assert created_by(created.body) == record.desired
    assert b'"metadata":{"id":"e1"}' in created.body


def test_employee_waits_for_its_employer_and_an_employer_for_nobody() -> None:
    assert step(employee(), employer_id=None) == WaitForEmployer()
    employer = Employer(ref="acme", desired=canonical(EMPLOYERS, employer_record()), push_look_up=False)
    assert isinstance(step(employer, employer_id=None, kind=EMPLOYERS), Create)


def test_young_create_is_repeated_byte_for_byte() -> None:
    record = sent(employee(), ago=timedelta(minutes=49))
    assert step(record) == Create(record.push_body or b"", "key")


def test_old_create_is_looked_up() -> None:
    assert step(sent(employee(), ago=timedelta(minutes=51))) == LookUp(same_key=False)


def test_create_under_another_api_key_is_looked_up_once_lists_can_show_it() -> None:
    record = sent(employee(), ago=timedelta(seconds=10), push_api_key="before")
    assert step(record) == Wait(20)
    record.push_tried_at = NOW - timedelta(seconds=31)
    assert step(record) == LookUp(same_key=False)


def test_refused_key_is_looked_up_and_kept_while_its_call_may_be_running() -> None:
    record = sent(employee(), ago=timedelta(seconds=60), push_look_up=True)
    assert step(record) == LookUp(same_key=True)
    record.push_started_at = NOW - timedelta(minutes=3)
    assert step(record) == LookUp(same_key=False)


def test_key_without_its_circumstances_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="push key"):
        step(employee(push_key="key"))


def test_record_at_kota_is_updated_in_what_differs_and_in_what_is_uncertain() -> None:
    record = employee(kota_id="ee_1")
    record.synced = record.desired
    assert step(record) == Nothing()
    record.synced = record.desired | {"first_name": "Before"}
    update = step(record)
    assert isinstance(update, Update)
    assert update.body == b'{"first_name":"Test Mary"}'
    record.synced = record.desired
    record.push_body = b'{"email":"other@example.com"}'
    assert step(record) == Update(b'{"email":"mary@example.com"}')


def test_leaver_is_left_alone() -> None:
    assert step(employee(kota_id="ee_1", kota_status="inactive")) == LeaveAlone()


def test_adopted_record_with_another_birth_date_or_country_needs_a_person() -> None:
    record = employee(kota_id="ee_1")
    record.synced = record.desired | {"date_of_birth": "1980-01-01", "home_address": {"country_code": "gb"}}
    assert step(record) == Differs(("/date_of_birth", "/home_address/country_code"))


def test_equal_records_have_equal_digests_whatever_their_form() -> None:
    fields = employer_record()
    shouted = fields | {"legal_address": fields["legal_address"] | {"country_code": "IE", "line2": None}}
    digests = {
        digest(EMPLOYERS, canonical(EMPLOYERS, given), employer_ref=None, lookup_key=b"k")
        for given in (fields, shouted, fields | {"metadata": None})
    }
    assert len(digests) == 1
    assert digest(EMPLOYERS, canonical(EMPLOYERS, fields), employer_ref=None, lookup_key=b"other") not in digests


def test_only_what_kota_returns_as_it_was_sent_is_known_of_an_adopted_record() -> None:
    from app.kota import Employee as KotaEmployee  # noqa: PLC0415 - beside the model of the same name

    shown = KotaEmployee.model_validate(
        {"id": "ee_1", "first_name": "TEST", "start_on": "2024-03-01", "home_address": {"country_code": "IE"}}
    )
    assert known_from(EMPLOYEES, shown) == {"start_on": "2024-03-01", "home_address": {"country_code": "ie"}}
    assert replace(RULES, api_key="x").api_key == "x"
