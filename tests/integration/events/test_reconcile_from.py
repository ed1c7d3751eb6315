from datetime import timedelta

from sqlalchemy import func, select, update

from app.events.reconcile import KEPT_FOR, OVERLAP, reconcile_from
from app.models import EventState, KotaEvent, PeriodicTask, ReconcileCursor
from tests.databases import NewDatabase
from tests.integration.events.listing import DAY, cursor, play, reconciler
from tests.integration.stack import NOW, Stack
from tests.support.app import Host, running_app, settings_for


async def test_run_from_an_older_time_does_not_turn_the_cursor_back(stack: Stack) -> None:
    log = play(stack, 10 * DAY, timedelta(hours=5))
    await reconciler(stack).run()
    async with stack.sessions.begin() as session:
        await session.execute(update(KotaEvent).values(state=EventState.PROCESSED))
    await reconciler(stack).run(since=NOW - 12 * DAY)
    assert log.asked[1] == NOW - 12 * DAY
    assert (await cursor(stack)).seen_until == NOW - timedelta(hours=5)


async def test_requested_run_is_due_at_once_and_begins_where_it_was_asked_to(stack: Stack) -> None:
    log = play(stack, timedelta(hours=5))
    await reconciler(stack).run()
    async with stack.sessions.begin() as session:
        session.add(PeriodicTask(name="events.reconcile", due_at=NOW + 3650 * DAY))
        await session.flush()
        await reconcile_from(session, NOW - 8 * DAY, version="v2", now=NOW)
        await reconcile_from(session, NOW - 7 * DAY, version="v2", now=NOW)
        assert await session.scalar(select(PeriodicTask.due_at <= func.now()))
    await reconciler(stack).run()
    assert log.asked[1] == NOW - 8 * DAY
    await reconciler(stack).run()
    assert log.asked[2] == NOW - timedelta(hours=6)


async def test_run_from_a_later_time_reads_what_nobody_has_read_yet(stack: Stack) -> None:
    log = play(stack, 10 * DAY)
    await reconciler(stack).run()
    log.ages += [9 * DAY, timedelta(hours=5)]
    assert await reconciler(stack).run(since=NOW - DAY) == 2
    assert log.asked[1] == NOW - 10 * DAY - OVERLAP


async def test_run_from_a_later_time_serves_what_was_asked_for_before(stack: Stack) -> None:
    log = play(stack, timedelta(hours=5))
    await reconciler(stack).run()
    log.ages.append(20 * DAY)
    async with stack.sessions.begin() as session:
        await reconcile_from(session, NOW - 25 * DAY, version="v2", now=NOW)
    assert await reconciler(stack).run(since=NOW - DAY) == 1
    assert log.asked[1] == NOW - 25 * DAY
    assert (await cursor(stack)).requested_from is None


async def test_first_run_reads_thirty_days_whatever_it_is_asked_for(stack: Stack) -> None:
    play(stack, 20 * DAY, timedelta(hours=5))
    assert await reconciler(stack).run(since=NOW - DAY) == 2


async def test_request_before_the_first_run_leaves_it_thirty_days_to_read(stack: Stack) -> None:
    play(stack, 20 * DAY, timedelta(hours=5))
    async with stack.sessions.begin() as session:
        await reconcile_from(session, NOW - DAY, version="v2", now=NOW)
    asked = await cursor(stack)
    assert (asked.seen_until, asked.requested_from) == (NOW - KEPT_FOR + OVERLAP, NOW - DAY)
    assert await reconciler(stack).run() == 2
    assert (await cursor(stack)).requested_from is None


async def test_reconciliation_can_be_asked_for_and_being_behind_leaves_the_service_ready(
    new_database: NewDatabase,
) -> None:
    host = Host()
    async with running_app(settings_for(new_database(), host=host)) as app:
        assert (await app.http.post("/internal/events/reconcile")).status_code == 401
        for query in ("", "?since=2025-03-01T00:00:00Z"):
            answer = await app.http.post(f"/internal/events/reconcile{query}", headers=host.service)
            assert (answer.status_code, answer.json()) == (202, {"status": "started"})
        odd = await app.http.post("/internal/events/reconcile?since=yesterday", headers=host.service)
        assert odd.status_code == 422
        future = await app.http.post("/internal/events/reconcile?since=2926-03-01T00:00:00Z", headers=host.service)
        assert (future.status_code, future.json()["errors"]) == (
            422,
            [{"pointer": "/query/since", "message": "lies in the future"}],
        )
        for days, alarm in ((8, "behind"), (6, "ok")):
            async with app.app.state.services.sessions.begin() as session:
                await session.execute(update(ReconcileCursor).values(finished_at=func.now() - days * DAY))
            ready = await app.http.get("/health/ready")
            assert (ready.status_code, ready.json()["checks"]["events"]) == (200, alarm)
