"""Nobody is offboarded without a fresh look at exactly what ends."""

from datetime import UTC, datetime, time, timedelta

import pytest

from tests.integration.sync.leaving import DAY, NOW, SOON, TODAY, confirm, offboardings_at_kota, token_for
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld


async def test_confirmed_offboarding_is_done_and_can_be_cancelled(world: SyncWorld, e1: str) -> None:
    token = await token_for(world, offboard_on=SOON)
    answer = await confirm(world, token)
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    assert (await world.at_kota("employee"))[0]["status"] == "offboarding"
    put = await world.call("PUT", "employees/e1", employee_record("acme", first_name="Other"))
    assert (put.status_code, put.json()["code"]) == (409, "offboarded")
    again = await confirm(world, await token_for(world))
    assert (again.status_code, again.json()["code"]) == (409, "offboarded")
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    assert (await world.call("DELETE", "employees/e1/offboarding")).status_code == 200
    assert e1


async def test_offboarding_of_today_needs_a_word_more_and_cannot_be_cancelled(world: SyncWorld, e1: str) -> None:
    token = await token_for(world)
    answer = await confirm(world, token, offboard_on=TODAY)
    assert (answer.status_code, answer.json()["code"]) == (422, "irreversible_not_accepted")
    answer = await confirm(world, token, offboard_on=TODAY, accept_irreversible=True)
    assert answer.status_code == 200, answer.text
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "not_cancellable")
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


async def test_kotas_refusal_is_shown(world: SyncWorld, e1: str) -> None:
    await world.fault("POST", "/employees/{employee_id}/offboard", "status", status=400, error_code="invalid_state")
    answer = await confirm(world, await token_for(world))
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_by_kota")
    await world.fault("GET", "/employees/{employee_id}", "status", status=500)
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["code"]) == (503, "kota_unavailable")
    assert e1


async def test_offboarding_can_be_cancelled_until_the_day_before_begins_to_end(world: SyncWorld, e1: str) -> None:
    day_before = datetime.combine(NOW.date() + DAY, time(23, 59, 59), tzinfo=UTC)
    for moment, expected in ((day_before + timedelta(seconds=1), 409), (day_before + DAY, 409), (day_before, 200)):
        world.at(NOW)
        if not await offboardings_at_kota(world):
            await confirm(world, await token_for(world))
        world.at(moment)
        cancelled = await world.call("DELETE", "employees/e1/offboarding")
        assert (cancelled.status_code, cancelled.json().get("code")) == (
            expected,
            "not_cancellable" if expected == 409 else None,
        )
        asked = await world.requests("POST", f"/employees/{e1}/offboard/cancel")
        assert len(asked) == (expected == 200)
    assert (await world.at_kota("employee"))[0]["status"] == "active"


@pytest.mark.parametrize("days", [2, 3])
async def test_kotas_word_that_it_is_too_late_to_cancel_is_taken(world: SyncWorld, e1: str, days: int) -> None:
    await confirm(world, await token_for(world))
    await world.sandbox.control("POST", "advance", {"clock_seconds": days * DAY.total_seconds()})
    cancelled = await world.call("DELETE", "employees/e1/offboarding")
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "not_cancellable")
    assert (await world.at_kota("employee"))[0]["status"] in {"offboarding", "inactive"}
    assert e1
