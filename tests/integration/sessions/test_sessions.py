"""Every answer of POST /sessions and POST /internal/sessions, through the real application and the sandbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from app.models import Employer, SyncState
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, grants, register, store
from tests.support.app import (
    Host,
    RunningApp,
    RunningSandbox,
    running_app,
    running_sandbox,
    settings_for,
)


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


async def test_employer_gets_a_token_that_no_cache_keeps(app: RunningApp, host: Host) -> None:
    answer = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer())

    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert body["token"].startswith("embed_")
    assert (body["audience"], body["environment"]) == ("employer", "test")
    assert body["script_url"] == app.settings.script_url
    assert datetime.fromisoformat(body["expires_at"]) > datetime.now(UTC) + timedelta(minutes=30)


async def test_employee_session_is_for_the_employee_of_the_token(
    app: RunningApp, host: Host, sandbox: RunningSandbox
) -> None:
    answer = await app.http.post("/sessions", json={"audience": "employee"}, headers=host.bearer(employee="mary"))

    assert answer.status_code == 201, answer.text
    asked = [entry["body"] for entry in await sandbox.control("GET", "requests?path=/embed/sessions")]
    assert set(asked[-1]) == {"employer_id", "employee_id"}


async def test_every_session_is_a_fresh_one(app: RunningApp, host: Host, sandbox: RunningSandbox) -> None:
    tokens = set()
    for _ in range(2):
        answer = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer())
        tokens.add(answer.json()["token"])

    assert len(tokens) == 2
    asked = await sandbox.control("GET", "requests?path=/embed/sessions")
    assert len({entry["headers"]["idempotency-key"] for entry in asked}) == len(asked)


async def test_grant_tells_who_asked_for_whom_until_when(app: RunningApp, host: Host) -> None:
    headers = host.bearer(employee="mary", sub="person-1") | {"X-Request-ID": "request-7"}
    answer = await app.http.post("/sessions", json={"audience": "employee"}, headers=headers)

    (grant,) = await grants(app)
    assert (grant.kind, grant.audience, grant.subject) == ("embed", "employee", "person-1")
    assert (grant.employer_ref, grant.employee_ref, grant.request_id) == ("acme", "mary", "request-7")
    assert grant.expires_at == datetime.fromisoformat(answer.json()["expires_at"])


async def test_backend_gets_a_session_for_whom_it_vouches(app: RunningApp, host: Host) -> None:
    body = {"audience": "employee", "employer_ref": "acme", "employee_ref": "mary"}
    answer = await app.http.post("/internal/sessions", json=body, headers=host.service)

    assert answer.status_code == 201, answer.text
    (grant,) = await grants(app)
    assert (grant.subject, grant.employee_ref) == ("service:tests", "mary")


async def test_backend_must_name_the_employee(app: RunningApp, host: Host) -> None:
    body = {"audience": "employee", "employer_ref": "acme"}
    answer = await app.http.post("/internal/sessions", json=body, headers=host.service)

    assert answer.status_code == 422
    assert "employee_ref" in answer.json()["errors"][0]["message"]


async def test_person_past_the_limit_is_told_when_to_come_back(app: RunningApp, host: Host) -> None:
    answers = [
        await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer(sub="busy"))
        for _ in range(8)
    ]
    other = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer(sub="calm"))

    # Two minutes at most are touched, with three sessions each.
    assert {answer.status_code for answer in answers} == {201, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["code"] == "too_many_requests"
    assert other.status_code == 201


async def test_refused_requests_count_as_well(app: RunningApp, host: Host) -> None:
    headers = host.bearer("nobody", sub="busy")
    answers = [await app.http.post("/sessions", json={"audience": "employer"}, headers=headers) for _ in range(8)]

    assert {answer.status_code for answer in answers} == {409, 429}


@pytest.mark.threat(3)
@pytest.mark.parametrize(
    ("body", "employee", "claims"),
    [
        pytest.param({"audience": "employee"}, None, {}, id="no employee in the token"),
        pytest.param({"audience": "employer"}, "mary", {"kota_audiences": ["employee"]}, id="audience not granted"),
        pytest.param({"audience": "employer"}, "mary", {"kota_audiences": []}, id="no audience granted"),
        pytest.param({"audience": "employee"}, "mary", {"kota_employer": "other"}, id="employee of another employer"),
        pytest.param(
            {"audience": "employee"}, "mary", {"kota_external_customer": "cust-1"}, id="employee of no customer"
        ),
    ],
)
async def test_nobody_gets_what_the_token_does_not_name(
    app: RunningApp, host: Host, body: dict[str, str], employee: str | None, claims: dict[str, object]
) -> None:
    answer = await app.http.post("/sessions", json=body, headers=host.bearer("acme", employee, **claims))

    assert answer.status_code == 403
    assert answer.json()["code"] == "audience_not_granted"
    assert await grants(app) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"kota_id": None, "state": SyncState.PENDING}, "not_ready", id="not yet at Kota"),
        pytest.param({"kota_id": None, "state": SyncState.REJECTED}, "rejected", id="refused by Kota"),
        pytest.param({"kota_status": "inactive"}, "offboarded", id="offboarded"),
        pytest.param({"kota_status": "restricted"}, "restricted", id="restricted"),
    ],
)
@pytest.mark.parametrize("audience", ["employer", "employee"])
async def test_state_that_forbids_it_has_a_code_of_its_own(
    app: RunningApp, host: Host, audience: str, changes: dict[str, object], code: str
) -> None:
    await store(
        app,
        employer_row("blocked", **(changes if audience == "employer" else {})),
        employee_row("worker", "blocked", **(changes if audience == "employee" else {})),
    )
    answer = await app.http.post("/sessions", json={"audience": audience}, headers=host.bearer("blocked", "worker"))

    assert answer.status_code == 409, answer.text
    assert answer.json()["code"] == code
    assert (answer.headers.get("retry-after") == "30") is (code == "not_ready")


@pytest.mark.parametrize(("employer", "employee"), [("nobody", None), ("acme", "nobody"), ("nobody", "mary2")])
async def test_unknown_record_is_not_ready(app: RunningApp, host: Host, employer: str, employee: str | None) -> None:
    audience = "employee" if employee else "employer"
    answer = await app.http.post("/sessions", json={"audience": audience}, headers=host.bearer(employer, employee))

    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize("status", ["active", "pending", "offboarding", "something_new"])
async def test_any_other_status_opens_a_session(app: RunningApp, host: Host, status: str) -> None:
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(update(Employer).values(kota_status=status))
    answer = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer())

    assert answer.status_code == 201, answer.text


@pytest.mark.threat(3)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"audience": "payroll"},
        {"audience": "employer", "employer_ref": "other"},
        {"audience": "employer", "kota_employer": "other"},
        {"audience": ["employer"]},
        {"audience": None},
        [],
        "employer",
    ],
)
async def test_body_says_the_audience_and_nothing_else(app: RunningApp, host: Host, body: object) -> None:
    answer = await app.http.post("/sessions", json=body, headers=host.bearer())

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


@pytest.mark.threat(18)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 429},
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "garbage"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}".strip(),
)
async def test_kota_in_trouble_is_kota_unavailable(
    app: RunningApp, host: Host, sandbox: RunningSandbox, fault: dict[str, object]
) -> None:
    await sandbox.control("POST", "faults", {"method": "POST", "path": "/embed/sessions", "times": 5, **fault})
    try:
        answer = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer())
    finally:
        await sandbox.control("DELETE", "faults")

    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable"), answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert await grants(app) == []


@pytest.mark.threat(18)
async def test_slow_kota_is_given_up_in_time(host: Host, sandbox: RunningSandbox, app: RunningApp) -> None:
    settings = app.settings.model_copy(update={"session_timeout": timedelta(seconds=0.3)})
    await sandbox.control(
        "POST", "faults", {"method": "POST", "path": "/embed/sessions", "kind": "delay", "delay_ms": 60_000}
    )
    try:
        async with running_app(settings) as impatient:
            answer = await impatient.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer())
    finally:
        await sandbox.control("DELETE", "faults")

    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable")


async def test_record_that_kota_does_not_know_is_rejected_with_its_trace_id(app: RunningApp, host: Host) -> None:
    answer = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer("other"))

    assert (answer.status_code, answer.json()["code"]) == (409, "rejected")
    assert answer.json()["kota_trace_id"]
