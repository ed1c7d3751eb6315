"""An offboarding whose outcome nobody learnt is looked for at Kota, and never sent past its confirmation's life."""

from datetime import UTC, datetime, timedelta

import pytest

from app.sync.offboarding.context import Context
from app.sync.offboarding.resolve import resolve_open
from tests.integration.sync.leaving import confirm, offboardings_at_kota, token_for
from tests.support.sync_world import SyncWorld


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "garbage"])
async def test_unknown_outcome_is_found_out_with_the_same_key(
    world: SyncWorld, e1: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", kind, times=1)
    token = await token_for(world)
    for _ in range(2):
        answer = await confirm(world, token)
        assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    assert await offboardings_at_kota(world) == 1
    await _resolve(world, monkeypatch)
    assert (await world.at_kota("employee"))[0]["status"] == "offboarding"
    assert (await world.call("GET", "employees/e1")).json()["kota_status"] == "offboarding"
    again = await confirm(world, token)
    assert (again.status_code, again.json()["code"]) == (422, "confirmation_invalid")
    requests = await world.requests("POST", f"/employees/{e1}/offboard")
    assert len({request["headers"]["idempotency-key"] for request in requests}) == 1


async def test_unknown_outcome_is_not_sent_again_after_the_tokens_life(
    world: SyncWorld, e1: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_before", times=1)
    token = await token_for(world)
    await confirm(world, token)
    await _resolve(world, monkeypatch, later=timedelta(minutes=20))
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    answer = await confirm(world, token)
    assert (answer.status_code, answer.json()["code"]) == (409, "needs_confirmation")
    assert len(await world.requests("POST", f"/employees/{e1}/offboard")) == 1
    anew = await confirm(world, await token_for(world))
    assert anew.status_code == 200, anew.text


async def test_outcome_that_kota_shows_is_recorded_after_the_tokens_life_too(
    world: SyncWorld, e1: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_after", times=1)
    await confirm(world, await token_for(world))
    await _resolve(world, monkeypatch, later=timedelta(minutes=20))
    assert (await world.call("GET", "employees/e1")).json()["kota_status"] == "offboarding"
    assert len(await world.requests("POST", f"/employees/{e1}/offboard")) == 1


async def _resolve(world: SyncWorld, patch: pytest.MonkeyPatch, *, later: timedelta = timedelta(0)) -> None:
    patch.setattr("app.sync.offboarding.resolve.QUIET", timedelta(0))
    services = world.services
    context = Context(services.sessions, services.kota, b"", services.settings.push_lease, "tests")
    await resolve_open(context, now=datetime.now(UTC) + later)
