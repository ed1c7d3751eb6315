import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import Sessions
from app.events.reconcile import RECONCILE, reconcile_soon
from app.models import PeriodicTask
from app.queue.periodic import Periodic, run_periodic
from tests.support.metrics import unexpected_errors
from tests.support.statements import points_in_time, sent_values
from tests.support.waiting import until

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=20)
NAME = "reconcile"


class Runs:
    """What ran, and who lets it end."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        await self.go_on.wait()
        self.ended += 1


@pytest.fixture
def runs() -> Runs:
    return Runs()


@asynccontextmanager
async def worker(task: Periodic, sessions: Sessions, *, look_every: timedelta = SOON) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    run = asyncio.create_task(run_periodic(task, sessions=sessions, stop=stop, look_every=look_every))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(run, 30)


class State(NamedTuple):
    due: bool
    held: bool
    finished: bool


async def state(sessions: Sessions) -> State:
    due, held = PeriodicTask.due_at <= func.now(), PeriodicTask.lease_token.is_not(None)
    async with sessions() as session:
        return State(*(await session.execute(select(due, held, PeriodicTask.finished_at.is_not(None)))).one())


async def looked_again(sessions: Sessions) -> None:
    """Long enough for a worker that is wrong to do wrong."""
    for _ in range(5):
        await asyncio.sleep(SOON.total_seconds())
        async with sessions() as session:
            await session.execute(select(func.now()))


async def test_task_that_was_never_seen_runs_at_once_and_is_due_again_later(sessions: Sessions, runs: Runs) -> None:
    runs.go_on.set()

    async def finished() -> bool:
        return runs.ended == 1 and (await state(sessions)).finished

    async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
        await until(finished)
        await looked_again(sessions)
    assert runs.begun == 1
    assert await state(sessions) == State(due=False, held=False, finished=True)


async def test_task_that_is_due_again_runs_again(sessions: Sessions, runs: Runs) -> None:
    runs.go_on.set()

    async def ran_thrice() -> bool:
        return runs.ended >= 3

    async with worker(Periodic(NAME, every=SOON, run=runs), sessions):
        await until(ran_thrice)


async def test_task_that_is_not_due_does_not_run(sessions: Sessions, runs: Runs) -> None:
    async with worker(Periodic(NAME, every=HOUR, run=runs, at_start=False), sessions):
        await looked_again(sessions)
    assert runs.begun == 0
    assert await state(sessions) == State(due=False, held=False, finished=False)


async def test_one_of_many_workers_runs_the_task(sessions: Sessions, runs: Runs) -> None:
    task = Periodic(NAME, every=HOUR, run=runs)

    async def begun() -> bool:
        return runs.begun > 0

    async with worker(task, sessions), worker(task, sessions), worker(task, sessions):
        await until(begun)
        await looked_again(sessions)
        runs.go_on.set()
        await looked_again(sessions)
    assert runs.begun == 1


async def test_task_of_a_holder_that_died_is_taken_over_when_its_lease_runs_out(sessions: Sessions, runs: Runs) -> None:
    runs.go_on.set()
    async with sessions.begin() as session:
        dead = PeriodicTask(
            name=NAME, due_at=func.now(), lease_until=func.now() + HOUR, lease_token=func.gen_random_uuid()
        )
        session.add(dead)

    async def ran() -> bool:
        return runs.ended == 1

    async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
        await looked_again(sessions)
        assert runs.begun == 0
        async with sessions.begin() as session:
            await session.execute(update(PeriodicTask).values(lease_until=func.now()))
        await until(ran)


async def test_holder_that_ran_out_of_time_leaves_the_task_to_its_new_holder(sessions: Sessions, runs: Runs) -> None:
    async def begun() -> bool:
        return runs.begun == 1

    async def ended() -> bool:
        return runs.ended == 1

    async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
        await until(begun)
        async with sessions.begin() as session:
            await session.execute(update(PeriodicTask).values(lease_token=func.gen_random_uuid()))
        runs.go_on.set()
        await until(ended)
    assert await state(sessions) == State(due=False, held=True, finished=False)


async def test_holder_that_dies_is_followed_when_its_lease_runs_out_and_not_when_its_time_is_up(
    sessions: Sessions, runs: Runs
) -> None:
    task = Periodic(NAME, every=HOUR, run=runs, lease=25 * SOON)

    async def begun() -> bool:
        return runs.begun == 1

    async def ended() -> bool:
        return runs.ended == 1 and not (await state(sessions)).held

    dies = asyncio.create_task(run_periodic(task, sessions=sessions, stop=asyncio.Event(), look_every=SOON))
    await until(begun)
    dies.cancel()
    await asyncio.wait({dies})
    assert (await state(sessions)).held
    runs.go_on.set()
    async with worker(task, sessions):
        await until(ended)
    assert await state(sessions) == State(due=False, held=False, finished=True)


@pytest.mark.parametrize("asked_first", [False, True])
async def test_run_that_is_asked_for_while_one_is_under_way_follows_it(
    sessions: Sessions, runs: Runs, asked_first: bool
) -> None:
    """Also if the transaction that asks was begun before the run."""

    async def begun() -> bool:
        return runs.begun == 1

    async def followed() -> bool:
        return runs.ended == 2 and not (await state(sessions)).held

    async with sessions() as asking:
        if asked_first:
            await asking.execute(select(func.now()))
        async with worker(Periodic(RECONCILE, every=HOUR, run=runs), sessions):
            await until(begun)
            await reconcile_soon(asking)
            await asking.commit()
            await looked_again(sessions)
            assert runs.begun == 1
            runs.go_on.set()
            await until(followed)
            await looked_again(sessions)
    assert runs.begun == 2
    assert await state(sessions) == State(due=False, held=False, finished=True)


async def test_stopped_worker_hands_the_task_back_undone(sessions: Sessions, runs: Runs) -> None:
    async def begun() -> bool:
        return runs.begun == 1

    async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
        await until(begun)
    assert runs.ended == 0
    assert await state(sessions) == State(due=True, held=False, finished=False)


async def test_run_that_raises_is_counted_and_comes_again_when_it_is_due(sessions: Sessions) -> None:
    before = unexpected_errors(NAME)

    async def fails() -> None:
        raise LookupError

    async def counted() -> bool:
        return unexpected_errors(NAME) == before + 1

    async def finished() -> bool:
        return (await state(sessions)).finished

    async with worker(Periodic(NAME, every=HOUR, run=fails), sessions):
        await until(counted)
        await until(finished)
    assert await state(sessions) == State(due=False, held=False, finished=True)


async def test_result_is_written_when_the_database_is_back(sessions: Sessions, runs: Runs) -> None:
    """The database refuses everything while the table has another name."""
    before = unexpected_errors(NAME)

    async def begun() -> bool:
        return runs.begun == 1

    async def counted() -> bool:
        return unexpected_errors(NAME) > before

    async def finished() -> bool:
        return (await state(sessions)).finished

    async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
        await until(begun)
        async with sessions.begin() as session:
            await session.execute(text("ALTER TABLE periodic_tasks RENAME TO elsewhere"))
        runs.go_on.set()
        await until(counted)
        async with sessions.begin() as session:
            await session.execute(text("ALTER TABLE elsewhere RENAME TO periodic_tasks"))
        await until(finished)
    assert runs.begun == 1


async def test_worker_stops_although_the_database_is_away(sessions: Sessions, runs: Runs) -> None:
    async with sessions.begin() as session:
        await session.execute(text("ALTER TABLE periodic_tasks RENAME TO elsewhere"))
    before = unexpected_errors(NAME)

    async def counted() -> bool:
        return unexpected_errors(NAME) > before

    async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
        await until(counted)
    assert runs.begun == 0


async def test_due_times_and_leases_are_counted_by_the_clock_of_the_database(
    engine: AsyncEngine, sessions: Sessions, runs: Runs
) -> None:
    runs.go_on.set()

    async def finished() -> bool:
        return runs.ended == 1 and (await state(sessions)).finished

    with sent_values(engine) as sent:
        async with worker(Periodic(NAME, every=HOUR, run=runs), sessions):
            await until(finished)
    assert HOUR in sent
    assert points_in_time(sent) == []
