"""What happens when Kota, or the worker, does not do what was hoped for: nobody is created twice, nobody is lost."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, update

from app.kota import serialise
from app.models import Employee
from app.sync.drift import Drift, audit
from tests.databases import NewDatabase
from tests.kota_bodies import employee_body, employer_body
from tests.support.app import API_KEY
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, sync_world


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("drop_before", {}),
        ("drop_after", {}),
        ("garbage", {}),
        ("status", {"status": 500}),
        ("status", {"status": 429, "retry_after": 0.1}),
        ("status", {"status": 409}),
    ],
)
async def test_faults_of_a_create_and_of_an_update_leave_one_record(
    world: SyncWorld, kind: str, more: dict[str, float]
) -> None:
    await world.fault("POST", "/employees", kind, times=2, **more)
    await world.fault("PUT", "/employees/{employee_id}", kind, times=2, **more)
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await world.until("employees/e1", state="synced")
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Other"), Prefer="respond-async")
    await world.until("employees/e1", state="synced", version=2)
    (stored,) = await world.at_kota("employee")
    assert stored["first_name"] == "Other"


@pytest.mark.usefixtures("acme")
async def test_change_during_an_unknown_create_is_pushed_after_it(world: SyncWorld) -> None:
    await world.fault("POST", "/employees", "drop_after", times=3)
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await world.until("employees/e1", attempts=1)
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Other"), Prefer="respond-async")
    await world.until("employees/e1", state="synced", version=2)
    (stored,) = await world.at_kota("employee")
    assert stored["first_name"] == "Other"
    keys = {request["headers"]["idempotency-key"] for request in await world.requests("POST", "/employees")}
    assert len(keys) == 1


@pytest.mark.usefixtures("acme")
async def test_repeat_of_a_lost_create_that_kota_refuses_creates_nobody_again(world: SyncWorld) -> None:
    await world.fault("POST", "/employees", "drop_after", times=1)
    await world.fault("POST", "/employees", "status", status=400, times=1)
    await world.call("PUT", "employees/e1", employee_record("acme"))
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Other"))
    await world.until("employees/e1", state="synced", version=2)
    (stored,) = await world.at_kota("employee")
    assert stored["first_name"] == "Other"


@pytest.mark.usefixtures("acme")
async def test_repeat_that_kota_refuses_is_rejected_once_it_is_certain_that_nothing_happened(world: SyncWorld) -> None:
    await world.fault("POST", "/employees", "drop_before", times=1)
    await world.fault("POST", "/employees", "status", status=400)
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await world.until("employees/e1", state="rejected")
    await world.sandbox.control("DELETE", "faults")
    answer = await world.call("PUT", "employees/e1", employee_record("acme", sex_at_birth="male"))
    assert answer.json()["sync"]["state"] == "synced"
    assert len(await world.at_kota("employee")) == 1


@pytest.mark.usefixtures("acme")
async def test_update_of_unknown_outcome_is_undone_by_a_put_of_what_was_there(world: SyncWorld) -> None:
    await world.call("PUT", "employees/e1", employee_record("acme"))
    await world.fault("PUT", "/employees/{employee_id}", "drop_after")
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Other"), Prefer="respond-async")
    await world.until("employees/e1", attempts=1)
    await world.stop_worker()
    await world.sandbox.control("DELETE", "faults")
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    world.start_worker()
    await world.until("employees/e1", state="synced", version=3)
    (stored,) = await world.at_kota("employee")
    assert stored["first_name"] == employee_record("acme")["first_name"]


@pytest.mark.usefixtures("acme")
async def test_crashed_workers_create_is_taken_over(world: SyncWorld) -> None:
    await world.fault("POST", "/employees", "delay", delay_ms=300)
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await world.until("employees/e1", attempts=1)
    await world.crash_worker()
    world.start_worker()
    await world.until("employees/e1", state="synced")
    assert len(await world.at_kota("employee")) == 1


@pytest.mark.parametrize("happened", [True, False])
async def test_create_past_its_keys_hour_is_looked_up_first(new_database: NewDatabase, *, happened: bool) -> None:
    async with sync_world(new_database(), idempotency_window=0.01) as world:
        await world.call("PUT", "employers/acme", employer_record())
        fault = "drop_after" if happened else "drop_before"
        for path in ("/employees", "/employers"):
            await world.fault("POST", path, fault, times=1)
        await world.call("PUT", "employers/two", employer_record(), Prefer="respond-async")
        await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
        await world.until("employers/two", attempts=1)
        await world.sandbox.control("POST", "advance", {"clock_seconds": 3700})
        await world.until("employees/e1", state="synced")
        await world.until("employers/two", state="synced")
        assert len(await world.at_kota("employee")) == 1
        assert len(await world.at_kota("employer")) == 2


async def test_create_under_another_api_key_is_looked_up_first(new_database: NewDatabase) -> None:
    other = "pk_test_" + "another"
    url = new_database()
    sandbox = {"api_keys": [API_KEY, other]}
    async with sync_world(url, sandbox=sandbox) as world:
        await world.call("PUT", "employers/acme", employer_record())
        await world.fault("POST", "/employees", "drop_after", times=1)
        await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
        await world.until("employees/e1", attempts=1)
        await world.crash_worker()
        keyring = world.services.settings
        async with sync_world(
            url,
            kota_api_url=world.sandbox.url,
            kota_api_key=other,
            encryption_keys=keyring.encryption_keys,
            lookup_key=keyring.lookup_key,
        ) as successor:
            await successor.until("employees/e1", state="synced")
        assert len(await world.at_kota("employee")) == 1


async def test_host_that_is_on_kota_already_duplicates_nobody(new_database: NewDatabase) -> None:
    async with sync_world(new_database()) as world:
        employer = await _create(world, "/employers", employer_body(metadata={"id": "acme"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "e1", "team": "x"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "E1"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "twin"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "twin"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "born"}))
        await world.call("PUT", "employers/acme", employer_record(legal_name="Acme Anew"))
        await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"))
        await world.until("employees/e1", state="synced")
        twin = await world.call("PUT", "employees/twin", employee_record("acme"))
        assert (twin.status_code, twin.json()["kota_error_code"]) == (422, "duplicate_at_kota")
        born = await world.call("PUT", "employees/born", employee_record("acme", date_of_birth="1980-01-01"))
        assert born.json()["kota_error_code"] == "immutable_differs"
        assert [fault["pointer"] for fault in born.json()["errors"]] == ["/date_of_birth"]
        assert len(await world.at_kota("employer")) == 1
        assert len(await world.at_kota("employee")) == 5
        adopted = next(found for found in await world.at_kota("employee") if found["metadata"]["id"] == "e1")
        assert (adopted["first_name"], adopted["metadata"]) == ("Anew", {"id": "e1"})


async def test_failing_first_look_creates_nobody(world: SyncWorld) -> None:
    await world.fault("GET", "/employers", "status", status=500)
    await world.call("PUT", "employers/acme", employer_record(), Prefer="respond-async")
    await world.until("employers/acme", attempts=2)
    assert await world.requests("POST", "/employers") == []
    await world.sandbox.control("DELETE", "faults")
    await world.until("employers/acme", state="synced")


@pytest.mark.usefixtures("acme")
async def test_refused_api_key_pauses_pushing_and_rejects_nobody(world: SyncWorld) -> None:
    await world.sandbox.control("POST", "keys", {"api_keys": ["pk_test_" + "else"]})
    for number in range(5):
        await world.call("PUT", f"employees/e{number}", employee_record("acme"), Prefer="respond-async")
    await world.until("employees/e0", waiting_for="api_key")
    assert (await world.call("GET", "employees?sync_state=rejected")).json()["items"] == []
    await world.sandbox.control("POST", "keys", {"api_keys": [API_KEY]})
    for number in range(5):
        await world.until(f"employees/e{number}", state="synced")
    assert len(await world.at_kota("employee")) == 5


async def test_restored_database_creates_nobody_until_it_was_audited(new_database: NewDatabase) -> None:
    async with sync_world(new_database(), restored=True) as world:
        employer = await _create(world, "/employers", employer_body(metadata={"id": "acme"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "e1"}))
        await _create(world, "/employees", employee_body(employer, metadata={"id": "stranger"}))
        answer = await world.call("PUT", "employers/acme", employer_record(), Prefer="respond-async")
        await world.call("PUT", "employees/e1", employee_record("acme"))
        await world.call("PUT", "employees/new", employee_record("acme"))
        assert answer.status_code == 202
        await world.until("employers/acme", waiting_for="audit")
        report = await audit(world.services.sessions, world.services.kota, repair=False)
        assert {finding.drift for finding in report.findings} == {Drift.NOT_LINKED, Drift.UNKNOWN_HERE}
        report = await audit(world.services.sessions, world.services.kota, repair=True)
        assert report.open == 1
        for ref in ("e1", "new"):
            await world.until(f"employees/{ref}", state="synced")
        assert len(await world.at_kota("employee")) == 3
        assert len(await world.at_kota("employer")) == 1


async def test_audit_finds_what_is_missing_doubled_or_in_another_state(world: SyncWorld, acme: str) -> None:
    kota_id = (await world.call("PUT", "employees/e1", employee_record("acme"))).json()["kota_id"]
    await world.until("employees/e1", kota_status="pending")
    await world.stop_worker()
    for _ in range(2):
        await _create(world, "/employees", employee_body(acme, metadata={"id": "twin"}))
    await world.sandbox.control("POST", "advance", {"id": kota_id, "status": "restricted"})
    report = await audit(world.services.sessions, world.services.kota, repair=True)
    drifts = {finding.drift: finding for finding in report.findings if finding.kind == "employee"}
    assert drifts[Drift.STATUS_DIFFERS].ref == "e1"
    assert len(drifts[Drift.DUPLICATED].kota_ids) == 2
    world.start_worker()
    await world.until("employees/e1", kota_status="restricted")
    await world.stop_worker()
    await world.sandbox.control("POST", "reset")
    report = await audit(world.services.sessions, world.services.kota, repair=False)
    assert [finding.drift for finding in report.findings] == [Drift.MISSING_THERE]


async def test_audit_leaves_a_record_alone_that_is_being_pushed(world: SyncWorld, acme: str) -> None:
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    theirs = await _create(world, "/employees", employee_body(acme, metadata={"id": "e1"}))
    pushed = update(Employee).values(lease_token=uuid4(), lease_until=func.now() + timedelta(minutes=1))
    for statement, repaired in ((pushed, False), (update(Employee).values(lease_until=func.now()), True)):
        async with world.services.sessions.begin() as session:
            await session.execute(statement)
        report = await audit(world.services.sessions, world.services.kota, repair=True)
        (finding,) = [found for found in report.findings if found.kind == "employee"]
        assert (finding.drift, finding.kota_ids, finding.repaired) == (Drift.NOT_LINKED, (theirs,), repaired)


async def _create(world: SyncWorld, path: str, body: dict[str, object]) -> str:
    headers = {"Content-Type": "application/json"}
    answer = await world.sandbox.http.post(path, content=serialise(body), headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])
