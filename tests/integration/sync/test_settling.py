"""Results are written by whoever holds the lease, and one that is at fault does not take others along."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from app.models import Employer, KotaResource, Notification, NotificationState
from app.sync import gate
from app.sync.kinds import EMPLOYERS
from app.sync.settlements import Held, Settlement
from app.sync.settler import GATHER, Settler
from tests.databases import NewDatabase
from tests.support.records import employer_record
from tests.support.sync_world import SyncWorld, sync_world

PATIENCE = timedelta(seconds=5)


@pytest.fixture
async def idle(new_database: NewDatabase) -> AsyncIterator[SyncWorld]:
    """A world whose worker does nothing, with three records to settle."""
    async with sync_world(new_database(), worker=False) as world:
        for ref in ("a", "b", "c"):
            await world.call("PUT", f"employers/{ref}", employer_record(), Prefer="respond-async")
        yield world


async def _lease(world: SyncWorld, ref: str) -> UUID:
    token = uuid4()
    async with world.services.sessions.begin() as session:
        await session.execute(
            update(Employer)
            .where(Employer.ref == ref)
            .values(lease_token=token, lease_until=func.now() + timedelta(minutes=1))
        )
    return token


def _synced(ref: str, token: UUID, kota_id: str) -> Settlement:
    return Settlement.accepted(Held(ref, token, 1), synced={}, kota_id=kota_id)


async def _states(world: SyncWorld) -> dict[str, tuple[str, str | None, str | None]]:
    async with world.services.sessions() as session:
        rows = await session.execute(
            select(Employer.ref, Employer.state, Employer.kota_id, Employer.error_code).order_by(Employer.ref)
        )
        return {row.ref: (row.state.value, row.kota_id, row.error_code) for row in rows}


async def test_late_settlement_is_refused(idle: SyncWorld) -> None:
    settler = Settler(EMPLOYERS, sessions=idle.services.sessions, patience=PATIENCE)
    late = await _lease(idle, "a")
    await _lease(idle, "a")
    assert not await settler.settle(_synced("a", late, "er_late"))
    assert (await _states(idle))["a"] == ("pending", None, None)


async def test_id_that_another_record_holds_rejects_that_one_alone(idle: SyncWorld) -> None:
    settler = Settler(EMPLOYERS, sessions=idle.services.sessions, patience=PATIENCE)
    settler.under_way = 100  # Results are gathered while many pushes are under way.
    tokens = {ref: await _lease(idle, ref) for ref in ("a", "b", "c")}
    ids = {"a": "er_1", "b": "er_1", "c": "er_2"}
    held = await asyncio.gather(*(settler.settle(_synced(ref, tokens[ref], ids[ref])) for ref in ids))
    assert held == [True, True, True]
    states = await _states(idle)
    assert states["c"] == ("synced", "er_2", None)
    assert sorted(states[ref] for ref in ("a", "b")) == [("rejected", None, "kota_id_taken"), ("synced", "er_1", None)]


async def test_id_that_is_known_now_has_read_again_what_is_asked_in_its_name(idle: SyncWorld) -> None:
    asked = {"action": "x", "audience": "employer", "title": "x", "content_digest": b""}
    async with idle.services.sessions.begin() as session:
        for number, (employer, state) in enumerate((("er_1", "open"), ("er_1", "closed"), ("er_2", "open"))):
            theirs = {"kind": "group_policy", "resource_id": f"gp_{number}", "kota_employer_id": employer}
            session.add(Notification(**asked, **theirs, state=NotificationState(state)))
    settler = Settler(EMPLOYERS, sessions=idle.services.sessions, patience=PATIENCE)
    assert await settler.settle(_synced("a", await _lease(idle, "a"), "er_1"))
    async with idle.services.sessions() as session:
        marked = await session.scalars(select(KotaResource.id).order_by(KotaResource.id))
        assert marked.all() == ["er_1", "gp_0"]


async def test_gate_closes_once_probes_singly_and_opens(idle: SyncWorld) -> None:
    sessions = idle.services.sessions
    every = timedelta(minutes=1)

    async def opening(api_key: str = "one", *, pushes: bool = True) -> gate.Opening:
        async with sessions.begin() as session:
            opening = await gate.opening(session, limit=10, api_key=api_key, restored=False)
            if pushes and opening.limit and opening.is_probe:
                await gate.take_probe(session, api_key=api_key, probe_every=every)
            return opening

    assert await opening() == gate.Opening(10, creates=True)
    for _ in range(2):
        async with sessions.begin() as session:
            await gate.close(session, api_key="one", error_code="unauthorized", trace_id=None, probe_every=every)
    assert (await opening()).limit == 0
    for pushes in (False, True):
        assert await opening("another", pushes=pushes) == gate.Opening(1, creates=True, is_probe=True)
    assert (await opening("another")).limit == 0
    for _ in range(2):
        async with sessions.begin() as session:
            await gate.open_again(session)
    assert await opening() == gate.Opening(10, creates=True)


async def test_restore_is_forgotten_once_nobody_speaks_of_it(idle: SyncWorld) -> None:
    sessions = idle.services.sessions

    async def creates() -> bool:
        async with sessions.begin() as session:
            opening = await gate.opening(session, limit=1, api_key="one", restored=True)
        return opening.creates

    assert not await creates()
    async with sessions.begin() as session:
        await gate.hold_creates(session)
    assert not await creates()
    async with sessions.begin() as session:
        await gate.release_creates(session)
    async with sessions.begin() as session:
        await gate.hold_creates(session)
    assert await creates()
    async with sessions.begin() as session:
        await gate.forget_restore(session)
    assert not await creates()


async def test_unstarted_pushes_are_handed_back_without_a_trace(new_database: NewDatabase) -> None:
    # The only slot is held by one call, so the others wait for their turn.
    async with sync_world(new_database(), kota_max_in_flight=1) as world:
        await world.call("PUT", "employers/first", employer_record())
        await world.fault("POST", "/employers", "delay", delay_ms=500)
        for ref in ("a", "b", "c", "d", "e"):
            await world.call("PUT", f"employers/{ref}", employer_record(), Prefer="respond-async")
        await asyncio.sleep(0.2)
        await world.stop_worker()
        async with world.services.sessions() as session:
            keys = await session.scalars(select(Employer.push_key).where(Employer.kota_id.is_(None)))
            assert set(keys) <= {None}
        await world.sandbox.control("DELETE", "faults")
        world.start_worker()
        for ref in ("a", "b", "c", "d", "e"):
            await world.until(f"employers/{ref}", state="synced")


async def test_closed_settler_writes_nothing_more(idle: SyncWorld) -> None:
    settler = Settler(EMPLOYERS, sessions=idle.services.sessions, patience=PATIENCE)
    settler.under_way = 100  # The result is held until more have come.
    waiting = asyncio.create_task(settler.settle(_synced("a", await _lease(idle, "a"), "er_1")))
    await asyncio.sleep(0)
    waiting.cancel()
    await settler.aclose()
    await asyncio.sleep(2 * GATHER)
    assert (await _states(idle))["a"] == ("pending", None, None)
