"""What is held of one person is shown whole, and erased whole once Kota shows that they are gone."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import LargeBinary, select, text, type_coerce, update

from app.db.rotation import encrypted_columns
from app.models import (
    ContributionLine,
    ContributionReport,
    Employee,
    KotaEvent,
    KotaResource,
    Notification,
    Offboarding,
    OffboardingState,
    OutboxMessage,
    OutboxState,
    SessionGrant,
)
from app.privacy.erasure import erase_leavers
from app.privacy.holdings import ERASED, EXPORTED, KEPT, NOT_EXPORTED
from app.privacy.routes import PersonalData
from tests.integration.sessions.world import employee_row, employer_row, store
from tests.support.app import Host, RunningApp
from tests.support.records import employee_record

MARY = "/internal/employees/mary/personal-data"
NAME = "Mary-Known-Name"
WAITING = UUID(int=7)
READING, MONTH = UUID(int=1), date(2026, 1, 1)


@pytest.mark.threat(13)
@pytest.mark.threat(15)
def test_every_encrypted_column_is_erased_or_kept_for_a_reason() -> None:
    found = {f"{column.table.name}.{column.name}" for column in encrypted_columns()}
    assert found == ERASED | set(KEPT)


@pytest.mark.threat(13)
def test_every_table_with_personal_data_is_shown_to_the_person_or_not_for_a_reason() -> None:
    assert EXPORTED.keys() | NOT_EXPORTED.keys() == {name.split(".")[0] for name in ERASED | KEPT.keys()}
    assert not EXPORTED.keys() & NOT_EXPORTED.keys()
    assert set(EXPORTED.values()) <= PersonalData.model_fields.keys()


async def fill(app: RunningApp, **mary: Any) -> None:
    ring = app.app.state.services.keyring

    def event(number: int, kind: str, resource: str) -> KotaEvent:
        body = ring.encrypt(json.dumps({"id": f"evt_{number}", "data": {"name": NAME}}).encode())
        return KotaEvent(
            id=f"evt_{number}", type="x", version="v2", body=body, resource_kind=kind, resource_id=resource
        )

    asked = {"audience": "employee", "kota_employee_id": "ee_mary", "title": NAME, "body": NAME, "content_digest": b"d"}
    person = {"first_name": NAME, "national_tax_id": NAME}
    sent = b'{"first_name":"%s"}' % NAME.encode()
    errors = [{"pointer": "/", "message": NAME}]
    record = {"desired": person, "synced": person, "push_body": sent, "error_fields": errors}
    gone = {"kota_status": "inactive", "desired_digest": b"x" * 32, **record}
    await store(
        app,
        employer_row(),
        employee_row(**(gone | mary)),
        employee_row("other", desired=person, desired_digest=b"y" * 32),
        KotaResource(kind="policy", id="po_1", path_params={"employee_id": "ee_mary"}),
        event(1, "employee", "ee_mary"),
        event(2, "policy", "po_1"),
        event(3, "employee", "ee_other"),
        Notification(id=WAITING, kind="policy", resource_id="po_1", action="sign", **asked),
        Notification(kind="policy", resource_id="po_9", action="sign", **(asked | {"kota_employee_id": "ee_other"})),
        OutboxMessage(object=f"notification/{WAITING}", type="x", content={"title": NAME}, state=OutboxState.DEAD),
        granted(NAME, "mary"),
        granted(NAME),
        granted("service:payroll", "mary"),
        granted("service:payroll"),
        granted("somebody else"),
        offboarding(state=OffboardingState.REFUSED, body=None, settled_at=datetime.now(UTC)),
        offboarding(body=b'{"offboard_on":"2026-01-31T00:00:00Z","offboard_reason":"%s"}' % NAME.encode()),
        offboarding(ref="other", kota_id="ee_other"),
        ContributionReport(
            id="cr_1", kota_employer_id="er_acme", period_from=MONTH, period_to=MONTH, status="open", reading=READING
        ),
        line("ee_mary", note=NAME),
        line("ee_other", id="cl_2"),
        # Of a reading that never came to its end.
        line("ee_mary", reading=UUID(int=2)),
    )


def granted(subject: str, employee_ref: str | None = None) -> SessionGrant:
    return SessionGrant(
        kind="embed",
        audience="employee" if employee_ref else "employer",
        subject=subject,
        subject_digest=subject.encode(),
        employer_ref="acme",
        employee_ref=employee_ref,
        request_id="r",
        expires_at=datetime.now(UTC),
    )


def offboarding(**values: Any) -> Offboarding:
    person = {"kind": "employee", "ref": "mary", "kota_id": "ee_mary"}
    confirmed = {"key": "k", "confirmed_by": "tests", "confirmed_until": datetime.now(UTC)}
    return Offboarding(**(person | confirmed | {"offboard_on": date(2026, 1, 31)} | values))


def line(kota_employee_id: str, **values: Any) -> ContributionLine:
    key = {"report_id": "cr_1", "reading": READING, "payer": "employee", "id": "cl_1"}
    kind = {"category": "health", "member_type": "employee", "type": "premium", "adjustment": False}
    money = {"amount": Decimal("120.50"), "currency": "EUR"}
    time = {"cover_from": MONTH, "cover_to": MONTH, "reporting_month": MONTH}
    return ContributionLine(kota_employee_id=kota_employee_id, **(key | kind | money | time | values))


@pytest.mark.threat(15)
@pytest.mark.parametrize("state", OutboxState)
async def test_what_the_host_was_told_or_not_told_yet_goes_as_well_but_that_it_is_over(
    app: RunningApp, host: Host, state: OutboxState
) -> None:
    await fill(app)
    services = app.app.state.services
    async with services.sessions.begin() as session:
        await session.execute(update(OutboxMessage).values(state=state))
    assert (await app.http.delete(MARY, headers=host.service)).status_code == 204
    async with services.sessions() as session:
        [told] = (await session.scalars(select(OutboxMessage))).all()
    assert (told.object, told.type, told.version) == (f"notification/{WAITING}", "notification.closed", 2)
    assert told.state is OutboxState.PENDING
    assert NAME not in json.dumps(told.content)
    assert told.content["employee_ref"] == "mary"


async def plain_of(app: RunningApp) -> str:
    """Every encrypted value of the database, decrypted."""
    ring, found = app.app.state.services.keyring, []
    async with app.app.state.services.sessions() as session:
        for column in encrypted_columns():
            values = await session.scalars(select(type_coerce(column, LargeBinary)).where(column.is_not(None)))
            found += [ring.decrypt(value) for value in values]
    return b"\n".join(found).decode()


async def test_export_holds_all_of_one_person_and_nothing_of_another(app: RunningApp, host: Host) -> None:
    await fill(app)
    answer = await app.http.get(MARY, headers=host.service | {"X-Request-ID": "export-1"})

    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    held = answer.json()
    assert held["employee"]["desired"]["first_name"] == NAME
    assert held["employee"]["kota_status"] == "inactive"
    assert held["employee"]["under_way"] == {"first_name": NAME}
    assert sorted((grant["subject"], grant["audience"]) for grant in held["sessions"]) == [
        (NAME, "employee"),
        (NAME, "employer"),
        ("service:payroll", "employee"),
    ]
    [amount] = held["contribution_lines"]
    assert (amount["id"], amount["amount"], amount["currency"], amount["note"]) == ("cl_1", "120.50", "EUR", NAME)
    left = {(item["state"], item["reason"], item["offboard_on"]) for item in held["offboardings"]}
    assert left == {("refused", None, "2026-01-31"), ("requested", NAME, "2026-01-31")}
    assert all(held[member] for member in EXPORTED.values())
    assert [item["body"] for item in held["notifications"]] == [NAME]
    assert {event["id"] for event in held["events"]} == {"evt_1", "evt_2"}
    assert held["events"][0]["body"]["data"] == {"name": NAME}
    trail = (await app.http.get("/internal/audit", headers=host.service)).json()["items"]
    assert [(item["action"], item["subject"], item["request_id"]) for item in trail] == [
        ("employee.export", "employee:mary", "export-1")
    ]


@pytest.mark.threat(15)
async def test_erasure_leaves_a_tombstone_and_everybody_else(app: RunningApp, host: Host) -> None:
    await fill(app)
    assert (await plain_of(app)).count(NAME) > 3
    for _ in range(2):
        assert (await app.http.delete(MARY, headers=host.service)).status_code == 204

    held = (await app.http.get(MARY, headers=host.service)).json()
    assert [amount.pop("note") for amount in held["contribution_lines"]] == [NAME]
    assert NAME not in json.dumps(held)
    assert (held["employee"]["kota_id"], held["employee"]["kota_status"]) == ("ee_mary", "inactive")
    assert [change["action"] for change in held["changes"]][:2] == ["employee.erase", "employee.erase"]
    # What is left is the other person's: two fields of a record, an event, and the two texts of a notification. And
    # the note of a payroll record, which payroll must keep.
    assert (await plain_of(app)).count(NAME) == 5 + 1
    seen = await app.http.get("/internal/employees/mary", headers=host.service)
    assert seen.status_code == 200, seen.text


async def test_erased_person_is_not_hired_again_by_a_late_feed(app: RunningApp, host: Host) -> None:
    await fill(app)
    await app.http.delete(MARY, headers=host.service)
    answer = await app.http.put("/internal/employees/mary", json=employee_record("acme"), headers=host.service)
    assert (answer.status_code, answer.json()["code"]) == (409, "offboarded"), answer.text


@pytest.mark.threat(15)
@pytest.mark.parametrize(
    "state",
    [
        {"kota_status": "active"},
        {"kota_status": "offboarding"},
        {"kota_status": None},
        {"kota_status": "something_new"},
        {"kota_id": None, "kota_status": None},
    ],
    ids=str,
)
async def test_person_who_may_be_covered_is_not_erased(app: RunningApp, host: Host, state: dict[str, Any]) -> None:
    await fill(app, **state)
    answer = await app.http.delete(MARY, headers=host.service)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_inactive")
    assert (await app.http.get("/internal/audit", headers=host.service)).json()["items"] == []


async def test_record_that_is_worked_on_is_not_erased(app: RunningApp, host: Host) -> None:
    await fill(app)
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text("UPDATE employees SET lease_until = now() + interval '1 minute' WHERE ref = 'mary'"))
    answer = await app.http.delete(MARY, headers=host.service)
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_in_flight")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_unknown_person_is_404(app: RunningApp, host: Host, method: str) -> None:
    answer = await app.http.request(method, "/internal/employees/nobody/personal-data", headers=host.service)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_employee")


@pytest.mark.threat(15)
async def test_leavers_are_erased_when_their_time_is_over(app: RunningApp) -> None:
    await fill(app, kota_status_at=datetime.now(UTC) - timedelta(days=181))
    services = app.app.state.services
    await store(
        app, employee_row("recent", kota_status="inactive", kota_status_at=datetime.now(UTC), desired_digest=b"z")
    )
    held = employee_row("held", kota_status="inactive", kota_status_at=datetime.now(UTC) - timedelta(days=200))
    held.desired_digest, held.lease_until = b"h", datetime.now(UTC) + timedelta(minutes=1)
    await store(app, held)

    erased = [
        await erase_leavers(services.sessions, after=timedelta(days=180), keyring=services.keyring) for _ in range(2)
    ]
    assert erased == [1, 0]
    async with services.sessions.begin() as session:
        left = await session.scalars(select(Employee.ref).where(Employee.desired_digest != b"").order_by(Employee.ref))
        assert list(left) == ["held", "other", "recent"]
        await session.execute(update(Employee).values(lease_until=None))
    assert await erase_leavers(services.sessions, after=timedelta(days=180), keyring=services.keyring) == 1
