"""Binding to what Kota has, and many records at once."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import func, update

from app.kota import serialise
from app.models import Batch, KotaResource, Notification
from app.queue.dirty import mark_dirty
from app.sync.batch_lines import MAX_LINE
from app.sync.batches import SILENT
from tests.kota_bodies import employee_body, employer_body
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld


async def test_link_binds_to_kotas_record_and_pushes_what_differs(world: SyncWorld, acme: str) -> None:
    theirs = await _create(world, employee_body(acme, metadata={}))
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"), Prefer="respond-async")
    linked = await world.call("PUT", "employees/e1/link", {"kota_id": theirs})
    assert (linked.status_code, linked.json()["kota_id"]) == (200, theirs)
    again = await world.call("PUT", "employees/e1/link", {"kota_id": theirs})
    assert again.status_code == 200
    trail = (await world.call("GET", "audit?action=employee.link")).json()["items"]
    assert [entry["subject"] for entry in trail] == ["employee:e1"]
    world.start_worker()
    await world.until("employees/e1", state="synced")
    (stored,) = await world.at_kota("employee")
    assert (stored["first_name"], stored["metadata"]) == ("Anew", {"id": "e1"})


async def test_field_that_only_kota_had_need_not_be_sent_later(world: SyncWorld, acme: str) -> None:
    theirs = await _create(world, employee_body(acme, metadata={}, earliest_benefits_start_date="2030-01-01"))
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await world.call("PUT", "employees/e1/link", {"kota_id": theirs})
    changed = employee_record("acme", first_name="Anew")
    assert "earliest_benefits_start_date" not in changed
    answer = await world.call("PUT", "employees/e1", changed, Prefer="respond-async")
    assert (answer.status_code, answer.json()["changed"]) == (202, True)
    cleared = {name: value for name, value in changed.items() if name != "start_on"}
    assert (await world.call("PUT", "employees/e1", cleared)).status_code == 422


async def test_linked_employer_wakes_its_employees(world: SyncWorld) -> None:
    answer = await world.sandbox.http.post("/employers", json=employer_body(metadata={}))
    await world.fault("POST", "/employers", "status", status=503)
    await world.stop_worker()
    await world.call("PUT", "employers/acme", employer_record(), Prefer="respond-async")
    await world.call("PUT", "employees/e1", employee_record("acme"))
    assert (await world.call("PUT", "employers/acme/link", {"kota_id": answer.json()["id"]})).status_code == 200
    world.start_worker()
    await world.until("employees/e1", state="synced")


async def test_link_has_read_again_what_is_asked_in_the_name_of_the_record(world: SyncWorld, acme: str) -> None:
    theirs = await _create(world, employee_body(acme, metadata={}))
    await world.stop_worker()
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    asked = {"action": "x", "audience": "employee", "title": "x", "content_digest": b"", "kota_employee_id": theirs}
    async with world.services.sessions.begin() as session:
        session.add(Notification(kind="enrolment_intent", resource_id="ei_1", **asked))
    assert (await world.call("PUT", "employees/e1/link", {"kota_id": theirs})).status_code == 200
    async with world.services.sessions() as session:
        marked = await session.get_one(KotaResource, ("enrolment_intent", "ei_1"))
    assert marked.next_attempt_at


async def test_of_several_at_kota_the_host_names_the_right_one(world: SyncWorld, acme: str) -> None:
    twins = [await _create(world, employee_body(acme, metadata={"id": "e1"})) for _ in range(2)]
    answer = await world.call("PUT", "employees/e1", employee_record("acme", first_name="Anew"))
    assert (answer.status_code, answer.json()["kota_error_code"]) == (422, "duplicate_at_kota")
    linked = await world.call("PUT", "employees/e1/link", {"kota_id": twins[1]})
    assert (linked.status_code, linked.json()["kota_id"]) == (200, twins[1])
    await world.until("employees/e1", state="synced")
    names = {stored["id"]: stored["first_name"] for stored in await world.at_kota("employee")}
    assert names.keys() == set(twins)
    assert names[twins[1]] == "Anew"


@pytest.mark.threat(3)
async def test_link_refuses_what_belongs_elsewhere(world: SyncWorld, acme: str) -> None:
    other = (await world.call("PUT", "employers/other", employer_record())).json()["kota_id"]
    taken = (await world.call("PUT", "employees/e1", employee_record("acme"))).json()["kota_id"]
    named = await _create(world, employee_body(acme, metadata={"id": "somebody"}))
    elsewhere = await _create(world, employee_body(other, metadata={}))
    await world.stop_worker()
    await world.call("PUT", "employees/e2", employee_record("acme"), Prefer="respond-async")
    for kota_id, status, code in (
        ("ee_nobody", 422, "unknown_at_kota"),
        (taken, 409, "already_linked"),
        (named, 409, "already_linked"),
        (elsewhere, 422, "invalid_request"),
    ):
        answer = await world.call("PUT", "employees/e2/link", {"kota_id": kota_id})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    answer = await world.call("PUT", "employees/e1/link", {"kota_id": named})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_linked")
    assert (await world.call("PUT", "employees/e3/link", {"kota_id": named})).status_code == 404
    await world.fault("GET", "/employees/{employee_id}", "status", status=500)
    answer = await world.call("PUT", "employees/e2/link", {"kota_id": named})
    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable")


@pytest.mark.usefixtures("acme")
async def test_batch_counts_its_lines_and_lists_the_refused(world: SyncWorld) -> None:
    leaver = (await world.call("PUT", "employees/leaver", employee_record("acme"))).json()["kota_id"]
    await world.sandbox.control("POST", "advance", {"id": leaver, "status": "inactive"})
    async with world.services.sessions.begin() as session:
        await mark_dirty(session, "employee", leaver)
    await world.until("employees/leaver", kota_status="inactive")
    lines = [
        _line("employer", "acme", employer_record()),
        _line("employee", "e1", employee_record("acme")),
        _line("employee", "e1", employee_record("acme", first_name="Twice")),
        _line("employee", "leaver", employee_record("acme")),
        _line("employee", "bad", employee_record("acme", external_customer_id="customer-1")),
        _line("employee", "worse", employee_record("acme", nationality="zz")),
        _line("employee", "not a ref", employee_record("acme")),
        _line("company", "x", {}),
        _line("employee", "shape", {"first_name": 1}),
        b"not json",
        b"[]",
        b"",
        b'"' + b"x" * MAX_LINE + b'"',
    ]
    answer = await world.send_lines(b"\n".join(lines))
    assert answer.status_code == 202, answer.text
    batch = answer.json()["id"]
    done = await world.until(f"batches/{batch}", state="done")
    expected = {"total": 12, "pending": 0, "synced": 2, "rejected": 8, "unchanged": 1, "skipped": 1}
    assert {name: done[name] for name in expected} == expected
    found = []
    cursor = ""
    while cursor is not None:
        page = (
            await world.call(
                "GET", f"batches/{batch}/errors?limit=3&cursor={cursor}".rstrip("=").removesuffix("&cursor")
            )
        ).json()
        found += page["items"]
        cursor = page["next_cursor"]
    assert [item["line"] for item in found] == [5, 6, 7, 8, 9, 10, 11, 13]
    assert found[0]["errors"][0]["pointer"] == "/external_customer_id"
    assert found[1]["errors"][0]["pointer"] == "/nationality"
    (stored,) = [item for item in await world.at_kota("employee") if item["metadata"]["id"] == "e1"]
    assert stored["first_name"] == "Twice"


@pytest.mark.usefixtures("acme")
async def test_batch_sent_again_costs_no_call(world: SyncWorld) -> None:
    content = b"".join(_line("employee", f"e{n}", employee_record("acme")) + b"\n" for n in range(600))
    first = (await world.send_lines(content)).json()["id"]
    await world.until(f"batches/{first}", state="done", synced=600)
    calls = len(await world.requests("POST", "/employees"))
    assert calls == 600
    second = (await world.send_lines(content)).json()
    assert (second["state"], second["unchanged"]) == ("done", 600)
    assert len(await world.requests("POST", "/employees")) == calls


async def test_batch_whose_receiver_was_killed_is_incomplete(world: SyncWorld) -> None:
    async with world.services.sessions.begin() as session:
        session.add(batch := Batch())
        await session.flush()
        path = f"batches/{batch.id}"
    assert (await world.call("GET", path)).json()["state"] == "receiving"
    async with world.services.sessions.begin() as session:
        await session.execute(update(Batch).values(updated_at=func.now() - SILENT))
    assert (await world.call("GET", path)).json()["state"] == "incomplete"


async def test_unknown_batches_and_wrong_media_types_are_refused(world: SyncWorld) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    for path in (f"batches/{unknown}", f"batches/{unknown}/errors"):
        assert (await world.call("GET", path)).status_code == 404
    assert (await world.call("GET", f"batches/{unknown}/errors?cursor=WyJ4Il0")).status_code == 422
    assert (await world.call("POST", "batches", {})).status_code == 415


async def test_too_many_lines_are_refused_after_the_last_allowed(
    world: SyncWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sync.batches.MAX_LINES", 2)
    answer = await world.send_lines(b"".join(_line("employer", f"r{n}", employer_record()) + b"\n" for n in range(3)))
    assert answer.status_code == 413
    assert (await world.call("GET", "employers/r1")).status_code == 404


async def _create(world: SyncWorld, body: dict[str, Any]) -> str:
    headers = {"Content-Type": "application/json"}
    answer = await world.sandbox.http.post("/employees", content=serialise(body), headers=headers)
    assert answer.status_code == httpx.codes.OK, answer.text
    return str(answer.json()["id"])


def _line(kind: str, ref: str, record: dict[str, Any]) -> bytes:
    return json.dumps({"kind": kind, "ref": ref, "record": record}).encode()
