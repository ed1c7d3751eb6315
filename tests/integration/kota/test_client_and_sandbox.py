"""The client and the sandbox were written apart from each other, from Kota's documents. Here they meet."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.kota import (
    KotaClient,
    KotaConflict,
    KotaNotFound,
    KotaRateLimited,
    KotaRejected,
    KotaServerError,
    KotaUnauthorized,
    KotaUnreadable,
    open_client,
    read_envelope,
    serialise,
    verify,
)
from app.sandbox.application import Sandbox
from app.sandbox.settings import SandboxSettings
from app.sandbox.signing import signature
from tests.kota_bodies import employee_body, employer_body

KEY = "pk_test_sandbox"


@pytest.fixture
async def transport() -> AsyncIterator[httpx.ASGITransport]:
    """A sandbox with all its manners, but for those that take time."""
    sandbox = Sandbox.open(SandboxSettings(answers_late=0, list_lag=0, drift=0.5))
    yield httpx.ASGITransport(sandbox)
    sandbox.world.journal.close()


@pytest.fixture
async def client(transport: httpx.ASGITransport) -> AsyncIterator[KotaClient]:
    async with open_client(api_url="http://sandbox", api_key=KEY, transport=transport) as client:
        yield client


@pytest.fixture
async def control(transport: httpx.ASGITransport) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url="http://sandbox/_control", transport=transport) as control:
        yield control


async def fail(control: httpx.AsyncClient, **fault: Any) -> None:
    answer = await control.post("/faults", json={"method": "POST", "path": "/employers", "times": 1, **fault})
    assert answer.status_code < 300, answer.text


async def employer_of(client: KotaClient, *, key: str = "key-of-the-employer") -> str:
    return (await client.create_employer(serialise(employer_body()), idempotency_key=key)).id


async def employee_of(client: KotaClient, employer_id: str, number: int = 1) -> str:
    body = employee_body(employer_id, email=f"e{number}@example.com", metadata={"id": f"host-{number}"})
    return (await client.create_employee(serialise(body), idempotency_key=f"key-of-employee-{number}")).id


async def test_a_repeated_create_is_the_same_record(client: KotaClient) -> None:
    assert await employer_of(client) == await employer_of(client)
    assert len([employer async for employer in client.list_employers()]) == 1


async def test_a_key_with_another_body_is_a_conflict(client: KotaClient) -> None:
    await employer_of(client)
    with pytest.raises(KotaConflict) as conflict:
        await client.create_employer(
            serialise(employer_body(legal_name="Other Ltd")), idempotency_key="key-of-the-employer"
        )
    assert conflict.value.error_code == "idempotency_error"


async def test_records_are_changed_and_found_by_the_hosts_own_id(client: KotaClient) -> None:
    employer_id = await employer_of(client)
    employee_ids = [await employee_of(client, employer_id, number) for number in (1, 11)]
    changed = await client.update_employee(employee_ids[0], serialise({"first_name": "Anna"}))
    assert (changed.id, changed.first_name) == (employee_ids[0], "Anna")
    found = client.list_employees(employer_id=employer_id, metadata_id="host-1")
    assert {employee.id: (employee.metadata or {})["id"] async for employee in found} == {
        employee_ids[0]: "host-1",
        employee_ids[1]: "host-11",
    }
    assert (await client.update_employer(employer_id, serialise({"legal_name": "Newer Ltd"}))).legal_name == "Newer Ltd"


async def test_lists_of_several_pages_are_read_whole(client: KotaClient) -> None:
    employer_id = await employer_of(client)
    made = [await employee_of(client, employer_id, number) for number in range(103)]
    assert {employee.id async for employee in client.list_employees(employer_id=employer_id)} == set(made)


async def test_a_refusal_names_its_fields(client: KotaClient) -> None:
    employer_id = await employer_of(client)
    with pytest.raises(KotaRejected) as rejected:
        await client.create_employee(serialise(employee_body(employer_id, email="")), idempotency_key="another-key")
    assert (rejected.value.status, rejected.value.error_code) == (400, "invalid_request")
    assert rejected.value.trace_id
    assert any("email" in place for place in rejected.value.errors)


async def test_what_is_not_there_is_not_found(client: KotaClient) -> None:
    with pytest.raises(KotaNotFound):
        await client.get_employee("ee_" + "0" * 32)
    with pytest.raises(KotaNotFound):
        await client.get("/policies/{policy_id}", {"policy_id": "p_" + "0" * 32})


async def test_a_wrong_key_is_unauthorized(transport: httpx.ASGITransport) -> None:
    async with open_client(api_url="http://sandbox", api_key="pk_test_wrong", transport=transport) as client:
        with pytest.raises(KotaUnauthorized):
            await client.get_employer("er_1")


async def test_sessions_are_made_for_employers_and_employees(client: KotaClient) -> None:
    employer_id = await employer_of(client)
    employee_id = await employee_of(client, employer_id)
    sessions = [
        await client.create_embed_session(employer_id),
        await client.create_embed_session(employer_id, employee_id=employee_id),
    ]
    assert len({session.token.get_secret_value() for session in sessions}) == 2
    hosted = await client.create_hosted_session(employer_id, employee_id=employee_id)
    assert hosted.link.get_secret_value().startswith("http")
    assert all(expiry > datetime.now(UTC) for expiry in (sessions[0].expiry, sessions[1].expiry, hosted.expiry))


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_events_tell_what_happened(client: KotaClient, version: Any) -> None:
    employer_id = await employer_of(client)
    pages = [
        page async for page in client.list_events(created_after=datetime.now(UTC) - timedelta(hours=1), version=version)
    ]
    [event] = [event for page in pages for event in page.events if event.type == "employer.created"]
    assert (event.version, event.data["id"]) == (version, employer_id)
    assert event.created_at is not None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 500}, KotaServerError),
        ({"kind": "status", "status": 429}, KotaRateLimited),
        ({"kind": "status", "status": 422}, KotaRejected),
        ({"kind": "garbage"}, KotaUnreadable),
    ],
)
async def test_faults_are_told_apart_and_the_same_call_ends_well_afterwards(
    client: KotaClient, control: httpx.AsyncClient, fault: dict[str, Any], error: type[Exception]
) -> None:
    await fail(control, **fault)
    with pytest.raises(error):
        await employer_of(client)
    made = await employer_of(client)
    assert [employer.id async for employer in client.list_employers()] == [made]


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("unit", ["seconds", "milliseconds"])
def test_the_sandbox_signs_what_the_verifier_believes(encoding: Any, unit: Any) -> None:
    body = json.dumps({"id": "evt_1", "type": "employee.created", "data": {"note": "ü"}}).encode()
    now = datetime.now(UTC)
    header = signature(body, at=now.timestamp(), secrets=["newer", "older"], encoding=encoding, unit=unit)
    for secret in (b"newer", b"older"):
        verify(body, [header], secrets=[secret], tolerance=timedelta(seconds=5), now=now)
    assert read_envelope(body).version == "v2"
