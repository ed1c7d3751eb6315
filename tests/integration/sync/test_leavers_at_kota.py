"""Whoever left at Kota before a record is bound to them is left alone, however the record comes to them."""

import json

from app.kota import serialise
from app.sync.drift import Drift, audit
from tests.kota_bodies import employee_body
from tests.support.records import employee_record
from tests.support.sync_world import SyncWorld


async def test_linked_leaver_is_bound_and_not_pushed(world: SyncWorld, acme: str) -> None:
    left = await _leaver(world, acme)
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"), Prefer="respond-async")
    linked = (await world.call("PUT", "employees/e1/link", {"kota_id": left})).json()
    assert (linked["kota_id"], linked["sync"]["state"]) == (left, "rejected")
    assert linked["sync"]["last_error"]["code"] == "offboarded"
    again = await world.call("PUT", "employees/e1", employee_record("acme", first_name="Later"))
    assert (again.status_code, again.json()["code"]) == (409, "offboarded")
    world.start_worker()
    await world.until("employees/e1", kota_status="inactive")
    assert await world.requests("PUT", "/employees*") == []


async def test_repair_binds_leavers_and_pushes_none(world: SyncWorld, acme: str) -> None:
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"), Prefer="respond-async")
    left = await _leaver(world, acme)
    report = await audit(world.services.sessions, world.services.kota, repair=True)
    assert [(found.drift, found.kota_ids, found.repaired) for found in report.findings if found.kind == "employee"] == [
        (Drift.NOT_LINKED, (left,), True)
    ]
    world.start_worker()
    await world.until("employees/e1", kota_status="inactive", state="rejected")
    assert await world.requests("PUT", "/employees*") == []


async def test_first_put_of_a_leaver_is_answered_offboarded(world: SyncWorld, acme: str) -> None:
    await _leaver(world, acme)
    for name in ("Anew", "Anew", "Later"):
        answer = await world.call("PUT", "employees/e1", employee_record("acme", first_name=name))
        assert (answer.status_code, answer.json()["code"]) == (409, "offboarded")
    assert await world.requests("PUT", "/employees*") == []


async def test_batch_skips_a_leaver_that_it_meets_at_kota(world: SyncWorld, acme: str) -> None:
    await _leaver(world, acme)
    line = {"kind": "employee", "ref": "e1", "record": employee_record("acme")}
    batch = (await world.send_lines(json.dumps(line).encode())).json()["id"]
    done = await world.until(f"batches/{batch}", state="done")
    assert (done["skipped"], done["rejected"]) == (1, 0)
    assert (await world.call("GET", f"batches/{batch}/errors")).json()["items"] == []


async def _leaver(world: SyncWorld, employer_id: str) -> str:
    """Kota's id of an employee that carries the reference `e1` and is inactive."""
    content = serialise(employee_body(employer_id, metadata={"id": "e1"}))
    answer = await world.sandbox.http.post("/employees", content=content, headers={"Content-Type": "application/json"})
    kota_id = str(answer.json()["id"])
    await world.sandbox.control("POST", "advance", {"id": kota_id, "status": "inactive"})
    return kota_id
