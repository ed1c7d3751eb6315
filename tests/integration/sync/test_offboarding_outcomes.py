"""An offboarding whose outcome nobody learnt is looked for at Kota, and never sent past its confirmation's life."""

from datetime import UTC, datetime, timedelta

import pytest

from app.models import OffboardingState
from tests.integration.sync.leaving import confirm, offboardings_at_kota, resolve, state_of, token_for
from tests.support.sync_world import SyncWorld

OFFBOARD = ("POST", "/employees/{employee_id}/offboard")


def after_its_life() -> datetime:
    """When no confirmation of now holds any more."""
    return datetime.now(UTC) + timedelta(minutes=20)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "garbage"])
async def test_unknown_outcome_is_found_out_with_the_same_key(world: SyncWorld, e1: str, kind: str) -> None:
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", kind, times=1)
    token = await token_for(world)
    for _ in range(2):
        answer = await confirm(world, token)
        assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    assert await offboardings_at_kota(world) == 1
    await resolve(world)
    assert (await world.at_kota("employee"))[0]["status"] == "offboarding"
    assert (await world.call("GET", "employees/e1")).json()["kota_status"] == "offboarding"
    again = await confirm(world, token)
    assert (again.status_code, again.json()["code"]) == (422, "confirmation_invalid")
    requests = await world.requests("POST", f"/employees/{e1}/offboard")
    assert len({request["headers"]["idempotency-key"] for request in requests}) == 1


async def test_unknown_outcome_is_not_sent_again_after_the_tokens_life(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_before", times=1)
    token = await token_for(world)
    await confirm(world, token)
    await resolve(world, clock=after_its_life)
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    answer = await confirm(world, token)
    assert (answer.status_code, answer.json()["code"]) == (409, "needs_confirmation")
    assert len(await world.requests("POST", f"/employees/{e1}/offboard")) == 1
    anew = await confirm(world, await token_for(world))
    assert anew.status_code == 200, anew.text


async def test_outcome_that_kota_shows_is_recorded_after_the_tokens_life_too(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_after", times=1)
    await confirm(world, await token_for(world))
    await resolve(world, clock=after_its_life)
    assert (await world.call("GET", "employees/e1")).json()["kota_status"] == "offboarding"
    assert len(await world.requests("POST", f"/employees/{e1}/offboard")) == 1


@pytest.mark.parametrize("status", [429, 401, 403])
async def test_confirmation_that_kota_would_not_take_now_is_sent_again(world: SyncWorld, e1: str, status: int) -> None:
    await world.stop_worker()
    await world.fault(*OFFBOARD, "status", status=status, times=1)
    token = await token_for(world)
    for _ in range(2):
        answer = await confirm(world, token)
        assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    await resolve(world)
    assert await state_of(world) is OffboardingState.ACCEPTED
    assert len(await _keys(world, e1)) == 2
    assert len(set(await _keys(world, e1))) == 1


@pytest.mark.parametrize("status", [429, 401, 400])
async def test_refused_repetition_says_nothing_of_the_first_attempt(world: SyncWorld, e1: str, status: int) -> None:
    await world.stop_worker()
    await world.fault(*OFFBOARD, "drop_before", times=1)
    await world.fault(*OFFBOARD, "status", status=status, times=1)
    await confirm(world, await token_for(world))
    await resolve(world)
    assert await state_of(world) is OffboardingState.REQUESTED
    await resolve(world)
    assert await state_of(world) is OffboardingState.ACCEPTED
    assert len(await _keys(world, e1)) == 3
    assert len(set(await _keys(world, e1))) == 1


async def test_repetition_is_refused_if_no_attempt_before_it_may_have_happened(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    await world.fault(*OFFBOARD, "status", status=429, times=1)
    await world.fault(*OFFBOARD, "status", status=400, times=1)
    await confirm(world, await token_for(world))
    await resolve(world)
    assert await state_of(world) is OffboardingState.REFUSED
    await resolve(world)
    assert len(await _keys(world, e1)) == 2


async def test_what_kota_would_not_take_is_not_sent_after_the_tokens_life(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    await world.fault(*OFFBOARD, "status", status=403)
    await confirm(world, await token_for(world))
    await resolve(world, clock=after_its_life)
    assert await state_of(world) is OffboardingState.NEEDS_CONFIRMATION
    assert len(await _keys(world, e1)) == 1


async def _keys(world: SyncWorld, kota_id: str) -> list[str]:
    """The idempotency key of each call to offboard an employee."""
    calls = await world.requests("POST", f"/employees/{kota_id}/offboard")
    return [call["headers"]["idempotency-key"] for call in calls]
