"""Open offboardings are looked at one by one, each as it is by then, and none in the way of another."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.models import Offboarding, OffboardingState
from tests.integration.sync.leaving import confirm, hired, offboardings_at_kota, resolve, state_of, token_for
from tests.support.sync_world import SyncWorld
from tests.support.waiting import until

NOW = datetime.now(UTC)
AFTER = NOW + timedelta(minutes=20)
"""When no confirmation of now holds any more."""


@pytest.fixture
async def e2(world: SyncWorld, e1: str) -> str:
    """Kota's id of a second employee; e1 and e2 have an offboarding each of which the outcome is unknown."""
    kota_id = await hired(world, "e2")
    await world.until("employees/e2", state="synced")
    await world.stop_worker()
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_before", times=2)
    # The first of them is requested first, and its confirmation holds longer: it comes first in either order.
    for seconds, path in ((60, "employees/e1"), (0, "employees/e2")):
        world.at(NOW + timedelta(seconds=seconds))
        answer = await confirm(world, await token_for(world, path), path)
        assert answer.status_code == 202, answer.text
    assert e1
    return kota_id


async def test_offboarding_that_was_taken_back_meanwhile_is_not_sent(world: SyncWorld, e1: str, e2: str) -> None:
    await world.fault("GET", f"/employees/{e1}", "delay", delay_ms=900, times=1)
    resolving = await _begun(world, e1, clock=lambda: NOW)
    cancelled = await world.call("DELETE", "employees/e2/offboarding")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    await resolving
    assert await state_of(world, "e1") is OffboardingState.ACCEPTED
    assert await state_of(world, "e2") is OffboardingState.CANCELLED
    assert len(await world.requests("POST", f"/employees/{e2}/offboard")) == 1


async def test_no_confirmation_is_sent_that_ran_out_while_others_were_looked_at(
    world: SyncWorld, e1: str, e2: str
) -> None:
    moment = NOW
    await world.fault("GET", f"/employees/{e1}", "delay", delay_ms=900, times=1)
    resolving = await _begun(world, e1, clock=lambda: moment)
    moment = AFTER
    await resolving
    for ref in ("e1", "e2"):
        assert await state_of(world, ref) is OffboardingState.NEEDS_CONFIRMATION
    assert await offboardings_at_kota(world) == 2
    assert e2


@pytest.mark.usefixtures("e2")
async def test_offboarding_of_somebody_whom_kota_does_not_show_is_given_up_after_its_life(world: SyncWorld) -> None:
    await world.fault("GET", "/employees/{employee_id}", "status", status=404)
    await resolve(world, clock=lambda: NOW)
    assert await state_of(world) is OffboardingState.REQUESTED
    await resolve(world, clock=lambda: AFTER)
    assert await state_of(world) is OffboardingState.NEEDS_CONFIRMATION
    assert await offboardings_at_kota(world) == 2


async def test_any_number_of_others_that_cannot_be_looked_at_is_in_nobodys_way(world: SyncWorld, e1: str) -> None:
    await hired(world, "e2")
    await world.stop_worker()
    await world.fault("POST", f"/employees/{e1}/offboard", "drop_before", times=1)
    await world.fault("GET", "/employees/ee_unseen", "status", status=403)
    async with world.services.sessions.begin() as session:
        session.add_all(
            Offboarding(
                kind="employee",
                ref="e2",
                kota_id="ee_unseen",
                key=str(uuid4()),
                confirmed_by="tests",
                confirmed_until=NOW - timedelta(days=1),
                requested_at=NOW - timedelta(days=1),
            )
            for _ in range(101)
        )
    await confirm(world, await token_for(world))
    await resolve(world)
    assert await state_of(world) is OffboardingState.ACCEPTED


@pytest.mark.usefixtures("e1")
async def test_one_that_cannot_be_decrypted_is_in_nobodys_way(world: SyncWorld, e2: str) -> None:
    async with world.services.sessions.begin() as session:
        await session.execute(text("UPDATE offboardings SET body = 'lost' WHERE ref = 'e1'"))
    await resolve(world, clock=lambda: NOW)
    assert await state_of(world, "e1") is OffboardingState.REQUESTED
    assert await state_of(world, "e2") is OffboardingState.ACCEPTED
    assert len(await world.requests("POST", f"/employees/{e2}/offboard")) == 2


async def _begun(world: SyncWorld, kota_id: str, *, clock: Callable[[], datetime]) -> asyncio.Task[None]:
    """A look at what is open, that has asked Kota for this employee."""
    asked = len(await world.requests("GET", f"/employees/{kota_id}"))
    resolving = asyncio.create_task(resolve(world, clock=clock))

    async def is_asked() -> bool:
        return len(await world.requests("GET", f"/employees/{kota_id}")) > asked

    await until(is_asked)
    return resolving
