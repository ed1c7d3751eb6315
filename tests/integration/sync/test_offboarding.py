"""Nobody is offboarded without a fresh look at exactly what ends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.queue.dirty import mark_dirty
from app.sync.offboarding.resolve import resolve_open
from app.sync.offboarding.service import Context
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld

TOMORROW = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
TODAY = datetime.now(UTC).date().isoformat()
REASON = {"offboard_reason": "end of contract"}


@pytest.fixture
async def e1(world: SyncWorld, acme: str) -> str:
    answer = await world.call("PUT", "employees/e1", employee_record("acme"))
    kota_id: str = answer.json()["kota_id"]
    assert acme
    await world.sandbox.control("POST", "advance", {"id": kota_id, "status": "active"})
    await _read_again(world, kota_id)
    await world.until("employees/e1", kota_status="active")
    return kota_id


async def test_confirmed_offboarding_is_done_and_can_be_cancelled(world: SyncWorld, e1: str) -> None:
    token = await _preview(world, offboard_on=TOMORROW)
    answer = await _confirm(world, token, offboard_on=TOMORROW)
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    assert (await world.at_kota("employee"))[0]["status"] == "offboarding"
    put = await world.call("PUT", "employees/e1", employee_record("acme", first_name="Other"))
    assert (put.status_code, put.json()["code"]) == (409, "offboarded")
    again = await _confirm(world, await _preview(world), offboard_on=TOMORROW)
    assert (again.status_code, again.json()["code"]) == (409, "offboarded")
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    assert (await world.call("DELETE", "employees/e1/offboarding")).status_code == 200
    assert e1


async def test_offboarding_of_today_needs_a_word_more_and_cannot_be_cancelled(world: SyncWorld, e1: str) -> None:
    token = await _preview(world)
    answer = await _confirm(world, token, offboard_on=TODAY)
    assert (answer.status_code, answer.json()["code"]) == (422, "irreversible_not_accepted")
    answer = await _confirm(world, token, offboard_on=TODAY, accept_irreversible=True)
    assert answer.status_code == 200, answer.text
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "not_cancellable")
    assert e1


async def test_token_that_is_not_ours_or_for_something_else_is_refused(world: SyncWorld, e1: str) -> None:
    await world.call("PUT", "employees/e2", employee_record("acme"))
    of_another = await _preview(world, "employees/e2")
    of_another_day = await _preview(world, offboard_on=TOMORROW)
    for token in ("nonsense", of_another, of_another_day):
        answer = await _confirm(world, token, offboard_on="2999-01-01")
        assert (answer.status_code, answer.json()["code"]) == (422, "confirmation_invalid")
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    assert e1


async def test_policy_that_appears_after_the_preview_refuses_the_confirmation(world: SyncWorld, e1: str) -> None:
    token = await _preview(world)
    await world.sandbox.control("POST", "emit", {"type": "policy.active", "data": {"employee_id": e1}})
    shown = (await world.call("POST", "employees/e1/offboarding/preview", {})).json()
    assert len(shown["would_end"]["policies"]) == 1
    answer = await _confirm(world, token, offboard_on=TOMORROW)
    assert (answer.status_code, answer.json()["code"]) == (409, "preview_changed")


@pytest.mark.parametrize("path", ["/policies", "/enrolment_intents", "/employees/{employee_id}"])
async def test_failing_read_fails_the_preview(world: SyncWorld, e1: str, path: str) -> None:
    await world.fault("GET", path, "status", status=500)
    answer = await world.call("POST", "employees/e1/offboarding/preview", {})
    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable")
    assert e1


async def test_employers_offboarding_needs_the_typed_legal_name(world: SyncWorld, e1: str) -> None:
    answer = await world.call("POST", "employers/acme/offboarding/preview", {})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert [employee["kota_id"] for employee in shown["would_end"]["employees"]] == [e1]
    body = {"confirmation_token": shown["confirmation_token"], "confirm_legal_name": "Something Else"}
    answer = await world.call("POST", "employers/acme/offboarding", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "confirmation_invalid")
    body["confirm_legal_name"] = employer_record()["legal_name"]
    answer = await world.call("POST", "employers/acme/offboarding", body)
    assert answer.status_code == 200, answer.text
    assert (await world.at_kota("employee"))[0]["status"] in {"offboarding", "inactive"}


async def test_records_that_kota_does_not_have_cannot_be_offboarded(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    await world.call("PUT", "employees/e2", employee_record("acme"), Prefer="respond-async")
    answer = await world.call("POST", "employees/e2/offboarding/preview", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert (await world.call("POST", "employees/nobody/offboarding/preview", {})).status_code == 404
    assert (await world.call("DELETE", "employees/nobody/offboarding")).status_code == 404
    assert e1


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
async def test_unknown_outcome_is_found_out_with_the_same_key(
    world: SyncWorld, e1: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fault("POST", "/employees/{employee_id}/offboard", kind, times=1)
    answer = await _confirm(world, await _preview(world), offboard_on=TOMORROW)
    assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    await _resolve(world, monkeypatch)
    assert (await world.at_kota("employee"))[0]["status"] == "offboarding"
    requests = await world.requests("POST", f"/employees/{e1}/offboard")
    assert len({request["headers"]["idempotency-key"] for request in requests}) == 1


async def test_unknown_outcome_is_not_sent_again_after_the_tokens_life(
    world: SyncWorld, e1: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_before", times=1)
    await _confirm(world, await _preview(world), offboard_on=TOMORROW)
    await _resolve(world, monkeypatch, later=timedelta(minutes=20))
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    assert len(await world.requests("POST", f"/employees/{e1}/offboard")) == 1


async def test_kotas_refusal_is_shown(world: SyncWorld, e1: str) -> None:
    await world.fault("POST", "/employees/{employee_id}/offboard", "status", status=400, error_code="invalid_state")
    answer = await _confirm(world, await _preview(world), offboard_on=TOMORROW)
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_by_kota")
    await world.fault("GET", "/employees/{employee_id}", "status", status=500)
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["code"]) == (503, "kota_unavailable")
    assert e1


async def _preview(world: SyncWorld, path: str = "employees/e1", **body: Any) -> str:
    answer = await world.call("POST", f"{path}/offboarding/preview", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["confirmation_token"])


async def _confirm(world: SyncWorld, token: str, **body: Any) -> Any:
    return await world.call("POST", "employees/e1/offboarding", {"confirmation_token": token, **REASON, **body})


async def _read_again(world: SyncWorld, kota_id: str) -> None:
    async with world.services.sessions.begin() as session:
        await mark_dirty(session, "employee", kota_id)


async def _resolve(world: SyncWorld, patch: pytest.MonkeyPatch, *, later: timedelta = timedelta(0)) -> None:
    patch.setattr("app.sync.offboarding.resolve.QUIET", timedelta(0))
    services = world.services
    context = Context(services.sessions, services.kota, b"", services.settings.push_lease, "tests")
    await resolve_open(context, now=datetime.now(UTC) + later)
