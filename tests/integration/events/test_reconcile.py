from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from app.events.periodic import Housekeeping, event_periodic
from app.events.reconcile import KEPT_FOR, OVERLAP, Reconciler, age, reconcile_from
from app.kota import KotaUnreachable
from app.models import EventState, KotaEvent, PeriodicTask, ReconcileCursor
from app.ops.metrics import RECONCILED
from app.webhooks.store import store_delivered, store_found
from tests.databases import NewDatabase
from tests.integration.stack import NOW, Stack
from tests.support.app import Host, running_app, settings_for

DAY = timedelta(days=1)


class EventLog:
    """Kota's list of events, oldest first, in pages of two."""

    def __init__(self, *ages: timedelta) -> None:
        self.ages = list(ages)
        self.asked: list[datetime] = []
        self.fails_from_page: int | None = None
        self.versions: set[str] = set()
        self.of_v1 = {"id": "evt_v1", "type": "employer.updated", "created": NOW.isoformat(), "data": {"id": "er_1"}}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        after, page = datetime.fromisoformat(query["created_after"]), int(query["page"])
        assert query["order_direction"] == "asc"
        self.versions.add(query["version"])
        if query["version"] != "v2":
            return httpx.Response(200, json={"items": [self.of_v1], "page": 1, "page_size": 2, "total_count": 1})
        if page == 1:
            self.asked.append(after)
        if self.fails_from_page is not None and page >= self.fails_from_page:
            raise httpx.ConnectError("refused", request=request)
        rows = [row(age) for age in sorted(self.ages, reverse=True) if NOW - age >= after]
        items = rows[2 * page - 2 : 2 * page]
        more = len(rows) > 2 * page
        return httpx.Response(
            200,
            json={"items": items, "page": page, "page_size": 2, "total_count": len(rows), "has_next_page": more},
        )


def row(age: timedelta) -> dict[str, Any]:
    hours = int(age.total_seconds() // 3600)
    return {
        "id": f"evt_{hours}",
        "type": "policy.active",
        "created": (NOW - age).isoformat(),
        "data": {"policy_id": "p_1"},
        "api_version": "V2",
    }


def play(stack: Stack, *ages: timedelta) -> EventLog:
    log = EventLog(*ages)
    stack.played.answers["/events"] = log
    return log


def reconciler(stack: Stack) -> Reconciler:
    return Reconciler(stack.engine, stack.sessions, stack.kota, stack.keyring, "v2", clock=lambda: stack.now)


async def cursor(stack: Stack) -> ReconcileCursor:
    async with stack.sessions() as session:
        return await session.get_one(ReconcileCursor, "v2")


async def stored(stack: Stack) -> set[str]:
    async with stack.sessions() as session:
        return set(await session.scalars(select(KotaEvent.id)))


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
    assert log.versions == {"v2"}
    async with stack.sessions.begin() as session:
        session.add(PeriodicTask(name="events.reconcile", due_at=NOW + 9999 * DAY))
    event = {"id": "evt_delivered", "type": "employer.updated", "data": {"id": "er_1"}}
    await store_found(stack.engine, [replace(stack.new_event({**event, "id": "evt_found"}), version="v1")])
    await stack.process()
    await reconciler(stack).run()
    assert log.versions == {"v2"}
    async with stack.engine.begin() as connection:
        await store_delivered(connection, [replace(stack.new_event(event), version="v1")])
    await stack.process()
    async with stack.sessions() as session:
        [due] = await session.scalars(select(PeriodicTask).where(PeriodicTask.due_at <= func.now()))
    assert due.name == "events.reconcile"
    assert await reconciler(stack).run() == 1
    assert log.versions == {"v1", "v2"}
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


async def test_old_events_and_dead_letters_are_pruned_but_never_what_waits(stack: Stack) -> None:
    await stack.deliver(*({"id": f"evt_{state.value}", "type": "t"} for state in EventState))
    await stack.deliver({"id": "evt_new", "type": "t"})
    async with stack.sessions.begin() as session:
        for state in EventState:
            await session.execute(
                update(KotaEvent)
                .where(KotaEvent.id == f"evt_{state.value}")
                .values(state=state, received_at=func.now() - 91 * DAY)
            )
    rules = Housekeeping(
        reconcile_every=DAY,
        reconcile_lease=DAY,
        expire_every=DAY,
        prune_every=DAY,
        retain_events=90 * DAY,
        retain_dead_letters=30 * DAY,
    )
    tasks = event_periodic(stack.sessions, reconciler=reconciler(stack), rules=rules, clock=lambda: stack.now)
    for task in tasks:
        if task.name != "events.reconcile":
            await task.run()
    assert await stored(stack) == {"evt_pending", "evt_dead", "evt_new"}


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
