"""Reading what would end may outlast the record's lease and the confirmation's life; nothing is sent without both."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import httpx
from sqlalchemy import func, literal, select, update

from app.kota import Timeouts, open_client
from app.models import Employee, Employer, OffboardingState
from app.web.dependencies import get_kota
from tests.integration.sync.leaving import confirm, hired, offboardings_at_kota, previewed, state_of, token_for
from tests.support.app import API_KEY
from tests.support.records import employer_record
from tests.support.sync_world import SyncWorld
from tests.support.waiting import until

T = TypeVar("T")


async def test_employer_is_offboarded_once_however_long_it_is_read(world: SyncWorld, e1: str) -> None:
    for ref in ("e2", "e3", "e4"):
        await hired(world, ref)
        await world.until(f"employees/{ref}", state="synced")
    await world.stop_worker()
    tokens = [await token_for(world, "employers/acme") for _ in range(2)]
    # Longer than the lease in all, although no single read is.
    await world.fault("GET", "*", "delay", delay_ms=700)
    first = asyncio.create_task(_confirm_employer(world, tokens[0]))
    await _outlived_a_lease(world)
    second = await _confirm_employer(world, tokens[1])
    assert (second.status_code, second.json()["code"]) == (409, "sync_in_flight")
    assert (await first).status_code == 200
    assert await offboardings_at_kota(world) == 1
    assert e1


async def test_confirmation_that_lost_its_lease_sends_nothing(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    token = await token_for(world)
    answer = await _robbed_of_its_lease(world, e1, confirm(world, token))
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_in_flight")
    assert await offboardings_at_kota(world) == 0
    assert await state_of(world) is None


async def test_cancellation_that_lost_its_lease_sends_nothing(world: SyncWorld, e1: str) -> None:
    assert (await confirm(world, await token_for(world))).status_code == 200
    await world.stop_worker()
    answer = await _robbed_of_its_lease(world, e1, world.call("DELETE", "employees/e1/offboarding"))
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_in_flight")
    assert await world.requests("POST", f"/employees/{e1}/offboard/cancel") == []


async def test_confirmation_that_runs_out_while_it_is_read_again_sends_nothing(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    shown = await previewed(world)
    world.at(datetime.fromisoformat(shown["expires_at"]) - timedelta(milliseconds=300))
    await world.fault("GET", f"/employees/{e1}", "delay", delay_ms=600, times=1)
    answer = await confirm(world, shown["confirmation_token"])
    assert (answer.status_code, answer.json()["code"]) == (422, "confirmation_invalid")
    assert await offboardings_at_kota(world) == 0
    assert await state_of(world) is None


async def test_nobody_waits_for_kotas_answer_longer_than_the_lease_lasts(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    token = await token_for(world)
    await world.fault("POST", f"/employees/{e1}/offboard", "delay", delay_ms=5000, times=1)
    async with open_client(api_url=world.sandbox.url, api_key=API_KEY, timeouts=Timeouts(write=30)) as patient:
        world.give(get_kota, patient)
        answer = await confirm(world, token)
    assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    assert await state_of(world) is OffboardingState.REQUESTED


async def _confirm_employer(world: SyncWorld, token: str) -> httpx.Response:
    body = {"confirmation_token": token, "confirm_legal_name": employer_record()["legal_name"]}
    return await world.call("POST", "employers/acme/offboarding", body)


async def _outlived_a_lease(world: SyncWorld) -> None:
    """Until the lease that acme is held under would be over, had nobody renewed it."""
    ends_at: datetime | None = None

    async def is_over() -> bool:
        nonlocal ends_at
        async with world.services.sessions() as session:
            if ends_at is None:
                ends_at = await session.scalar(select(Employer.lease_until).where(Employer.ref == "acme"))
            return ends_at is not None and bool(await session.scalar(select(func.now() > literal(ends_at))))

    await until(is_over)


async def _robbed_of_its_lease(world: SyncWorld, kota_id: str, calling: Awaitable[T]) -> T:
    """What is answered to a call if somebody else takes e1 over while it reads at Kota."""
    asked = len(await world.requests("GET", f"/employees/{kota_id}"))
    await world.fault("GET", f"/employees/{kota_id}", "delay", delay_ms=800, times=1)
    answer = asyncio.ensure_future(calling)

    async def is_asked() -> bool:
        return len(await world.requests("GET", f"/employees/{kota_id}")) > asked

    await until(is_asked)
    async with world.services.sessions.begin() as session:
        lease_until = func.now() + timedelta(minutes=1)
        await session.execute(update(Employee).values(lease_token=uuid4(), lease_until=lease_until))
    return await answer
