"""A person of one employer, by every field and path, against everything of another's.

Two employers with two employees each, of which some belong to a customer. Kota cannot be reached, so whoever gets past
every check is told `kota_unavailable`, and nothing else is.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.dev.postgres import EmbeddedPostgres
from app.models import Notification, NotificationAudience, NotificationDismissal, SessionGrant
from app.web.pagination import encode_cursor
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, store
from tests.support.app import Host, RunningApp, running_app, settings_for

pytestmark = pytest.mark.threat(3)

EMPLOYEES = {"ann": ("acme", "one"), "abe": ("acme", "two"), "bea": ("bolt", "one"), "bob": ("bolt", None)}
"""Whose they are, and which customer's."""
NOBODY = "nobody"
ALLOWED = (503, "kota_unavailable")
REFUSED = (403, "audience_not_granted")
UNKNOWN = (409, "not_ready")


@dataclass(frozen=True, slots=True)
class Person:
    """What a signed token says."""

    employer: str
    employee: str | None
    customer: str | None

    def bearer(self, host: Host) -> dict[str, str]:
        claims = {"kota_external_customer": self.customer, "sub": repr(self)}
        return host.bearer(self.employer, self.employee, **claims)


PEOPLE = [
    Person(*claims) for claims in product(["acme", "bolt", NOBODY], [None, *EMPLOYEES, NOBODY], [None, "one", "two"])
]
every_person = pytest.mark.parametrize("person", PEOPLE, ids=str)


def employee_session(person: Person, *, strict: bool) -> tuple[int, str]:
    """What is right, told as a person would tell it."""
    if strict and person.customer is None:
        return REFUSED
    if person.employee is None:
        return REFUSED
    if person.employee not in EMPLOYEES:
        return UNKNOWN
    employer, customer = EMPLOYEES[person.employee]
    mine = employer == person.employer and (customer == person.customer or (person.customer is None and not strict))
    return ALLOWED if mine else REFUSED


def employer_session(person: Person, *, strict: bool) -> tuple[int, str]:
    if strict and person.customer is None:
        return REFUSED
    return UNKNOWN if person.employer == NOBODY else ALLOWED


def notifications() -> Iterator[Notification]:
    """One for each employee and, of each customer and of none, for each employer."""
    owners: list[tuple[str, str | None, str | None]] = [
        (employer, None, customer) for employer in ("acme", "bolt") for customer in (None, "one", "two")
    ]
    owners += [(employer, name, customer) for name, (employer, customer) in EMPLOYEES.items()]
    for number, (employer, name, customer) in enumerate(owners):
        yield Notification(
            id=UUID(int=number + 1),
            kind="k",
            resource_id=f"{employer} {name} {customer}",
            action="action_required",
            audience=NotificationAudience.EMPLOYEE if name else NotificationAudience.EMPLOYER,
            kota_employer_id=f"er_{employer}",
            kota_employee_id=name and f"ee_{name}",
            external_customer_id=customer,
            title=f"{employer} {name} {customer}",
            content_digest=b"x",
        )


def may_see(person: Person, item: Notification, *, strict: bool) -> bool:
    if strict and person.customer is None:
        return False
    if item.audience is NotificationAudience.EMPLOYEE:
        name = str(item.kota_employee_id).removeprefix("ee_")
        return name == person.employee and employee_session(person, strict=strict) == ALLOWED
    if item.kota_employer_id != f"er_{person.employer}":
        return False
    if person.customer is None or item.external_customer_id == person.customer:
        return True
    return item.external_customer_id is None and not strict


@pytest.fixture(scope="module", params=[False, True], ids=["customers", "customers required"])
async def app(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, migrated_template: str, host: Host
) -> AsyncIterator[RunningApp]:
    name = f"tenants_{request.param}".lower()
    url = postgres.create_database(name, template=migrated_template)
    settings = settings_for(
        url, host=host, require_external_customer=request.param, sessions_per_minute=10_000, session_timeout=5
    )
    async with running_app(settings) as running:
        await store(
            running,
            employer_row("acme"),
            employer_row("bolt"),
            *(
                employee_row(name, employer, external_customer_id=customer)
                for name, (employer, customer) in EMPLOYEES.items()
            ),
            *notifications(),
        )
        yield running
    postgres.drop_database(name)


def outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@every_person
async def test_session_opens_for_the_people_of_the_token_alone(app: RunningApp, host: Host, person: Person) -> None:
    strict = app.settings.require_external_customer
    headers = person.bearer(host)

    hosted = await app.http.post("/sessions/hosted", headers=headers)
    employee = await app.http.post("/sessions", json={"audience": "employee"}, headers=headers)
    employer = await app.http.post("/sessions", json={"audience": "employer"}, headers=headers)
    assert outcome(employee) == outcome(hosted)
    assert outcome(employer) == employer_session(person, strict=strict)
    wanted = employee_session(person, strict=strict)
    assert outcome(employee) == (UNKNOWN if person.employer == NOBODY and wanted == ALLOWED else wanted)
    async with app.app.state.services.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(SessionGrant)) == 0


@every_person
async def test_backend_that_vouches_is_held_to_the_same_relations(app: RunningApp, host: Host, person: Person) -> None:
    strict = app.settings.require_external_customer
    body = {"audience": "employee", "employer_ref": person.employer, "employee_ref": person.employee}
    answer = await app.http.post(
        "/internal/sessions", json={**body, "external_customer": person.customer}, headers=host.service
    )
    if person.employee is None:
        assert outcome(answer) == (422, "invalid_request")
    else:
        assert outcome(answer) == employee_session(person, strict=strict)


@every_person
async def test_me_and_the_list_show_what_is_theirs_and_nothing_else(
    app: RunningApp, host: Host, person: Person
) -> None:
    strict = app.settings.require_external_customer
    headers = person.bearer(host)
    mine = {item.title for item in notifications() if may_see(person, item, strict=strict)}

    shown = (await app.http.get("/notifications?limit=200", headers=headers)).json()["items"]
    assert {item["title"] for item in shown} == mine
    me = (await app.http.get("/me", headers=headers)).json()
    assert me["open_notifications"] == len(mine)
    own = employee_session(person, strict=strict) == ALLOWED
    assert (me["employee"] or {}).get("ref") == (person.employee if own else None)


@every_person
async def test_notification_of_somebody_else_is_not_there_to_be_dismissed(
    app: RunningApp, host: Host, person: Person
) -> None:
    strict = app.settings.require_external_customer
    headers = person.bearer(host)
    for item in notifications():
        if not may_see(person, item, strict=strict):
            answer = await app.http.post(f"/notifications/{item.id}/dismiss", headers=headers)
            never = await app.http.post(f"/notifications/{UUID(int=99)}/dismiss", headers=headers)
            assert outcome(answer) == outcome(never) == (404, "not_found")
            assert answer.json()["detail"] == never.json()["detail"]
    async with app.app.state.services.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(NotificationDismissal)) == 0


ANN = Person("acme", "ann", "one")
NAMES = [
    *("employer", "employer_ref", "kota_employer", "employer_id", "kota_employer_id", "employerRef"),
    *("employee", "employee_ref", "kota_employee", "employee_id", "kota_employee_id", "ref", "kota_id"),
    *("external_customer", "external_customer_id", "kota_external_customer", "customer", "sub", "kota_audiences"),
    *("token", "access_token", "on_behalf_of", "__proto__", "constructor", "audience "),
]


@pytest.mark.parametrize("name", NAMES)
async def test_body_cannot_name_anybody(app: RunningApp, host: Host, name: str) -> None:
    for value in ("bolt", "bea", "er_bolt", "ee_bea", "two", ["bea"], {"ref": "bea"}, None):
        body = {"audience": "employee", name: value}
        answer = await app.http.post("/sessions", json=body, headers=ANN.bearer(host))
        assert outcome(answer) == (422, "invalid_request")


@pytest.mark.parametrize("name", NAMES)
async def test_query_and_headers_cannot_name_anybody(app: RunningApp, host: Host, name: str) -> None:
    headers = ANN.bearer(host) | {f"X-{name.strip().replace('_', '-')}": "bea", "X-Employer-Ref": "bolt"}
    query = {name: "bea", "employer_ref": "bolt"}

    assert (await app.http.get("/me", params=query, headers=headers)).json()["employee"]["ref"] == "ann"
    shown = (await app.http.get("/notifications", params=query, headers=headers)).json()["items"]
    strict = app.settings.require_external_customer
    assert {item["title"] for item in shown} == {n.title for n in notifications() if may_see(ANN, n, strict=strict)}


async def test_cursor_leads_to_nothing_of_others(app: RunningApp, host: Host) -> None:
    strict = app.settings.require_external_customer
    cursor = encode_cursor("9999-01-01T00:00:00+00:00", str(UUID(int=2**128 - 1)))
    shown = (await app.http.get(f"/notifications?cursor={cursor}", headers=ANN.bearer(host))).json()["items"]
    assert {item["title"] for item in shown} == {n.title for n in notifications() if may_see(ANN, n, strict=strict)}


async def test_dismissal_is_of_one_person_and_not_of_whom_they_resemble(new_database: NewDatabase, host: Host) -> None:
    async with running_app(settings_for(new_database(), host=host)) as app:
        await store(app, employer_row("acme"), *notifications())
        theirs = UUID(int=1)
        assert (
            await app.http.post(f"/notifications/{theirs}/dismiss", headers=host.bearer(sub="Pat"))
        ).status_code == 204
        for subject in ("pat", "Pat ", "Pa\u0442", "Pat\u00a0", "P\u0430t"):
            shown = (await app.http.get("/notifications", headers=host.bearer(sub=subject))).json()["items"]
            assert str(theirs) in {item["id"] for item in shown}
