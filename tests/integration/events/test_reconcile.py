from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.events.reconcile import KEPT_FOR, OVERLAP, age, follow
from app.kota import EventVersion, KotaRejected, KotaUnreachable
from app.models import EventState, KotaEvent, PeriodicTask, ReconcileCursor
from app.ops.metrics import RECONCILED
from app.webhooks.store import store_delivered, store_found
from tests.integration.events.listing import DAY, cursor, play, reconciler, stored
from tests.integration.stack import NOW, Stack


async def test_first_run_reads_thirty_days_and_processes_what_no_delivery_brought(stack: Stack) -> None:
    log = play(stack, 29 * DAY, 3 * DAY, 2 * DAY, DAY, timedelta(hours=2))
    before = RECONCILED._value.get()
    assert await reconciler(stack).run() == 5
    assert RECONCILED._value.get() == before + 5
    [start] = log.asked
    assert NOW - KEPT_FOR < start < NOW - KEPT_FOR + timedelta(hours=1)
    await stack.process()
    async with stack.sessions() as session:
        rows = (await session.execute(select(KotaEvent.state, KotaEvent.deliveries).distinct())).all()
    assert [tuple(found) for found in rows] == [(EventState.PROCESSED, 0)]


async def test_next_run_begins_an_hour_before_the_last_event_seen_and_counts_nothing_twice(stack: Stack) -> None:
    log = play(stack, 2 * DAY, timedelta(hours=5))
    await reconciler(stack).run()
    assert await reconciler(stack).run() == 0
    assert log.asked[1] == NOW - timedelta(hours=5) - OVERLAP
    log.ages.append(timedelta(hours=1))
    assert await reconciler(stack).run() == 1


async def test_list_of_the_other_version_is_read_from_its_first_delivery_on(stack: Stack) -> None:
    log = play(stack, DAY)
    await reconciler(stack).run()
    assert set(log.versions) == {"v2"}
    async with stack.sessions.begin() as session:
        session.add(PeriodicTask(name="events.reconcile", due_at=NOW + 9999 * DAY))
    event = {"id": "evt_delivered", "type": "employer.updated", "data": {"id": "er_1"}}
    await store_found(stack.engine, [replace(stack.new_event({**event, "id": "evt_found"}), version="v1")])
    await stack.process()
    await reconciler(stack).run()
    assert set(log.versions) == {"v2"}
    async with stack.engine.begin() as connection:
        await store_delivered(connection, [replace(stack.new_event(event), version="v1")])
    await stack.process()
    async with stack.sessions() as session:
        [due] = await session.scalars(select(PeriodicTask).where(PeriodicTask.due_at <= func.now()))
    assert due.name == "events.reconcile"
    assert await reconciler(stack).run() == 1
    assert set(log.versions) == {"v1", "v2"}
    assert await stored(stack) >= {"evt_v1", "evt_found", "evt_delivered"}
    async with stack.sessions() as session:
        found = await session.get_one(KotaEvent, "evt_v1")
    assert (found.version, found.deliveries) == ("v1", 0)


async def test_run_that_breaks_off_keeps_what_it_read_and_goes_on_there(stack: Stack) -> None:
    log = play(stack, 5 * DAY, 4 * DAY, 3 * DAY, 2 * DAY)
    log.fails_from_page = 2
    with pytest.raises(KotaUnreachable):
        await reconciler(stack).run()
    assert await stored(stack) == {"evt_120", "evt_96"}
    assert (await cursor(stack)).finished_at is None
    log.fails_from_page = None
    assert await reconciler(stack).run() == 2
    assert log.asked[1] == NOW - 4 * DAY - OVERLAP
    assert (await cursor(stack)).finished_at


async def test_kota_being_away_is_no_fault_of_the_worker(stack: Stack) -> None:
    log = play(stack)
    log.fails_from_page = 1
    await reconciler(stack).run_and_tell()
    assert age(await cursor(stack), now=NOW) > timedelta(days=29)
    log.fails_from_page = None
    await reconciler(stack).run_and_tell()
    assert age(await cursor(stack), now=NOW) < DAY


@pytest.mark.parametrize(("configured", "other"), [("v1", "v2"), ("v2", "v1")])
async def test_list_that_cannot_be_read_keeps_no_other_from_being_read(
    stack: Stack, configured: EventVersion, other: EventVersion
) -> None:
    log = play(stack, DAY)
    log.refuses = other
    async with stack.sessions.begin() as session:
        await follow(session, [configured, other], since=NOW - KEPT_FOR)
    worker = replace(reconciler(stack), version=configured)
    with pytest.raises(KotaRejected):
        await worker.run()
    assert log.versions == [configured, other]
    assert len(await stored(stack)) == 1
    assert (await cursor(stack, configured)).finished_at
    assert (await cursor(stack, other)).finished_at is None
    log.refuses = None
    assert await worker.run() == 1


async def test_first_of_the_lists_that_cannot_be_read_says_why_the_run_failed(stack: Stack) -> None:
    log = play(stack)
    log.fails_from_page = 1
    log.refuses = "v1"
    async with stack.sessions.begin() as session:
        await follow(session, ["v1", "v2"], since=NOW - KEPT_FOR)
    with pytest.raises(KotaUnreachable):
        await reconciler(stack).run()
    assert log.versions == ["v2", "v1"]


async def test_event_of_tomorrow_does_not_carry_the_cursor_beyond_today(stack: Stack) -> None:
    log = play(stack, timedelta(hours=5), -DAY)
    assert await reconciler(stack).run() == 2
    assert (await cursor(stack)).seen_until == NOW
    log.ages.append(timedelta(minutes=30))
    assert await reconciler(stack).run() == 1


async def test_cursor_in_the_future_is_turned_back_and_counts_as_not_read(stack: Stack) -> None:
    log = play(stack, 20 * DAY)
    async with stack.sessions.begin() as session:
        session.add(ReconcileCursor(version="v2", seen_until=NOW + 365 * DAY, finished_at=NOW))
    log.fails_from_page = 1
    await reconciler(stack).run_and_tell()
    assert age(await cursor(stack), now=NOW) > timedelta(days=29)
    log.fails_from_page = None
    assert await reconciler(stack).run() == 1
    assert (await cursor(stack)).seen_until == NOW - 20 * DAY


async def test_cursor_of_a_clock_that_is_a_little_ahead_stays(stack: Stack) -> None:
    log = play(stack)
    async with stack.sessions.begin() as session:
        session.add(ReconcileCursor(version="v2", seen_until=NOW + timedelta(minutes=10)))
    await reconciler(stack).run()
    assert log.asked == [NOW + timedelta(minutes=10) - OVERLAP]
