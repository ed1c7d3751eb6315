"""A record under a key that is gone stops nobody else, and the host's next PUT mends it."""

import json
from typing import Any

import pytest
from sqlalchemy import LargeBinary, func, literal, select, update

from app.models import Employee
from tests.support.records import employee_record
from tests.support.sync_world import SyncWorld

LOST = literal(b"\x00" * 64, LargeBinary)
"""Names a key that nobody has."""
UNREADABLE: dict[str, Any] = {"code": "undecryptable", "kota_trace_id": None, "errors": []}


@pytest.mark.usefixtures("acme")
async def test_unreadable_record_waits_and_the_others_go_on(world: SyncWorld) -> None:
    await world.stop_worker()
    for ref in ("e1", "e2"):
        await world.call("PUT", f"employees/{ref}", employee_record("acme"), Prefer="respond-async")
    await _lose(world, "desired")
    world.start_worker()
    await world.until("employees/e2", state="synced")
    await world.until("employees/e1", state="pending", last_error=UNREADABLE)
    listed = (await world.call("GET", "employees")).json()["items"]
    assert {item["ref"] for item in listed} == {"e1", "e2"}


@pytest.mark.usefixtures("acme")
async def test_put_mends_an_unreadable_record(world: SyncWorld) -> None:
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await _lose(world, "desired")
    world.start_worker()
    await world.until("employees/e1", last_error=UNREADABLE)
    answer = await world.call("PUT", "employees/e1", employee_record("acme"))
    assert (answer.status_code, answer.json()["changed"], answer.json()["sync"]["state"]) == (200, True, "synced")
    assert len(await world.at_kota("employee")) == 1


@pytest.mark.usefixtures("acme")
async def test_batch_mends_an_unreadable_record_beside_others(world: SyncWorld) -> None:
    await world.call("PUT", "employees/e1", employee_record("acme"))
    await _lose(world, "desired", "synced")
    lines = [
        {"kind": "employee", "ref": ref, "record": employee_record("acme", first_name="Anew")} for ref in ("e1", "e2")
    ]
    sent = await world.send_lines("\n".join(map(json.dumps, lines)).encode())
    await world.until(f"batches/{sent.json()['id']}", state="done", synced=2)
    assert [stored["first_name"] for stored in await world.at_kota("employee")] == ["Anew", "Anew"]


@pytest.mark.usefixtures("acme")
async def test_what_kota_cannot_change_is_compared_with_its_own_copy(world: SyncWorld) -> None:
    await world.call("PUT", "employees/e1", employee_record("acme"))
    await _lose(world, "desired", "synced")
    born = await world.call("PUT", "employees/e1", employee_record("acme", date_of_birth="1980-01-01"))
    assert (born.status_code, born.json()["kota_error_code"]) == (422, "immutable_differs")
    assert [fault["pointer"] for fault in born.json()["errors"]] == ["/date_of_birth"]
    answer = await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"))
    assert answer.json()["sync"]["state"] == "synced"
    (stored,) = await world.at_kota("employee")
    assert stored["first_name"] == "Anew"


@pytest.mark.usefixtures("acme")
async def test_create_whose_bytes_are_lost_is_looked_up_and_not_repeated(world: SyncWorld) -> None:
    await world.fault("POST", "/employees", "drop_after", times=1)
    await world.fault("POST", "/employees", "status", status=503)
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await world.until("employees/e1", attempts=2)
    await _lose(world, "desired", "push_body")
    await world.until("employees/e1", last_error=UNREADABLE)
    await world.sandbox.control("DELETE", "faults")
    answer = await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"))
    assert answer.json()["sync"]["state"] == "synced"
    (stored,) = await world.at_kota("employee")
    assert stored["first_name"] == "Anew"


@pytest.mark.usefixtures("acme")
async def test_record_whose_key_comes_back_is_brought_to_kota(world: SyncWorld) -> None:
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    kept = await _lose(world, "desired")
    world.start_worker()
    await world.until("employees/e1", last_error=UNREADABLE)
    async with world.services.sessions.begin() as session:
        again = update(Employee).where(Employee.ref == "e1")
        await session.execute(again.values(desired=kept, next_attempt_at=func.now()))
    await world.until("employees/e1", state="synced")


@pytest.mark.usefixtures("acme")
async def test_unreadable_record_can_be_withdrawn(world: SyncWorld) -> None:
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await _lose(world, "desired")
    assert (await world.call("DELETE", "employees/e1")).status_code == 204


async def _lose(world: SyncWorld, *columns: str) -> dict[str, Any]:
    """Let the texts of `e1` be under a key that nobody has; returns what was desired."""
    async with world.services.sessions.begin() as session:
        desired = await session.scalar(select(Employee.desired).where(Employee.ref == "e1"))
        await session.execute(update(Employee).where(Employee.ref == "e1").values(dict.fromkeys(columns, LOST)))
    return desired or {}
