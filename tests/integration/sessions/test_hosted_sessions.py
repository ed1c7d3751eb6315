"""Every answer of POST /sessions/hosted, through the real application and the sandbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.models import SessionCount, SyncState
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, grants, register, store
from tests.support.app import Host, RunningApp, RunningSandbox, running_app, running_sandbox, settings_for
from tests.support.statements import sent_values


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox() as running:
        yield running


@pytest.fixture
async def app(new_database: NewDatabase, host: Host, sandbox: RunningSandbox) -> AsyncIterator[RunningApp]:
    settings = settings_for(new_database(), host=host, kota_api_url=sandbox.url, sessions_per_minute=3)
    async with running_app(settings) as running:
        employer, employee = await register(sandbox)
        await store(running, employer_row(kota_id=employer), employee_row(kota_id=employee), employer_row("other"))
        yield running
    await sandbox.control("POST", "reset")


async def test_employee_gets_a_link_that_no_cache_keeps(app: RunningApp, host: Host, sandbox: RunningSandbox) -> None:
    answer = await app.http.post("/sessions/hosted", headers=host.bearer(employee="mary"))

    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"link", "expires_at"}
    assert "/hosted/pages/hosted_" in answer.json()["link"]
    assert datetime.fromisoformat(answer.json()["expires_at"]) > datetime.now(UTC) + timedelta(minutes=30)
    (asked,) = [entry["body"] for entry in await sandbox.control("GET", "requests?path=/hosted/sessions")]
    assert set(asked) == {"employer_id", "employee_id"}


@pytest.mark.threat(13)
async def test_grant_is_kept_and_the_link_is_not(
    app: RunningApp, host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = host.bearer(employee="mary", sub="person-1") | {"X-Request-ID": "request-7"}
    with sent_values(app.app.state.services.engine) as sent:
        answer = await app.http.post("/sessions/hosted", headers=headers)

    (grant,) = await grants(app)
    assert (grant.kind, grant.audience, grant.subject) == ("hosted", "employee", "person-1")
    assert (grant.employer_ref, grant.employee_ref, grant.request_id) == ("acme", "mary", "request-7")
    assert grant.expires_at == datetime.fromisoformat(answer.json()["expires_at"])
    secret = answer.json()["link"].rpartition("/")[2]
    logged = capsys.readouterr()
    assert secret not in f"{sent}{logged.out}{logged.err}"


@pytest.mark.threat(3)
@pytest.mark.parametrize(
    ("employer", "employee", "claims"),
    [
        pytest.param("acme", None, {}, id="no employee in the token"),
        pytest.param("acme", "mary", {"kota_audiences": ["employer"]}, id="only the employer's audience"),
        pytest.param("other", "mary", {}, id="employee of another employer"),
        pytest.param("acme", "mary", {"kota_external_customer": "cust-1"}, id="employee of no customer"),
    ],
)
async def test_nobody_gets_a_link_for_somebody_else(
    app: RunningApp, host: Host, employer: str, employee: str | None, claims: dict[str, object]
) -> None:
    answer = await app.http.post("/sessions/hosted", headers=host.bearer(employer, employee, **claims))

    assert (answer.status_code, answer.json()["code"]) == (403, "audience_not_granted")
    assert await grants(app) == []


async def test_employee_who_is_not_at_kota_yet_is_told_to_come_back(app: RunningApp, host: Host) -> None:
    await store(app, employee_row("new", kota_id=None, state=SyncState.PENDING))
    answer = await app.http.post("/sessions/hosted", headers=host.bearer(employee="new"))

    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert answer.headers["retry-after"] == "30"


async def test_stranger_is_sent_away(app: RunningApp) -> None:
    answer = await app.http.post("/sessions/hosted")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_links_and_tokens_count_together(app: RunningApp, host: Host) -> None:
    headers = host.bearer(employee="mary", sub="busy")
    await app.http.post("/sessions", json={"audience": "employee"}, headers=headers)
    await app.http.post("/sessions/hosted", headers=headers)

    async with app.app.state.services.sessions.begin() as session:
        counted = list(await session.scalars(select(SessionCount.count).where(SessionCount.count > 0)))
    # In one row, unless the minute changed in between.
    assert sorted(counted) in ([2], [1, 1])


async def test_person_past_the_limit_is_told_when_to_come_back(app: RunningApp, host: Host) -> None:
    headers = host.bearer(employee="mary", sub="busy")
    answers = [await app.http.post("/sessions/hosted", headers=headers) for _ in range(8)]

    assert {answer.status_code for answer in answers} == {201, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_kota_in_trouble_is_kota_unavailable(app: RunningApp, host: Host, sandbox: RunningSandbox) -> None:
    fault = {"method": "POST", "path": "/hosted/sessions", "kind": "status", "status": 500, "times": 5}
    await sandbox.control("POST", "faults", fault)
    try:
        answer = await app.http.post("/sessions/hosted", headers=host.bearer(employee="mary"))
    finally:
        await sandbox.control("DELETE", "faults")

    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable"), answer.text
    assert await grants(app) == []


async def test_employee_whom_kota_does_not_know_is_rejected(app: RunningApp, host: Host) -> None:
    await store(app, employee_row("ghost"))
    answer = await app.http.post("/sessions/hosted", headers=host.bearer(employee="ghost"))

    assert (answer.status_code, answer.json()["code"]) == (409, "rejected"), answer.text
    assert answer.json()["kota_trace_id"]
