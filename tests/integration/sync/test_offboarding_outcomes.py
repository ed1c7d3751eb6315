"""An offboarding whose outcome nobody learnt is looked for at Kota, and never sent past its confirmation's life."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.sync.leaving import confirm, offboardings_at_kota, resolve, token_for
from tests.support.sync_world import SyncWorld


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
