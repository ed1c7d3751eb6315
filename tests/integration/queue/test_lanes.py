import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.models import KotaResource
from app.queue.bell import Bell, ring
from app.queue.lanes import Lane, run_lane
from tests.integration.queue import rows
from tests.integration.queue.conftest import AddRows
from tests.support.metrics import unexpected_errors
from tests.support.waiting import until

NEVER = timedelta(hours=1)
SOON = timedelta(milliseconds=20)


@pytest.fixture
def silent_bell(url: str) -> Bell:
    """One that listens to nothing."""
    return Bell(url)


@asynccontextmanager
async def running(
    lane: Lane[rows.Job], sessions: Sessions, bell: Bell, *, look_every: timedelta = SOON
) -> AsyncIterator[asyncio.Event]:
    """Runs `lane` within the context; the event stops it before."""
    stop = asyncio.Event()
    run = asyncio.create_task(run_lane(lane, sessions=sessions, bell=bell, stop=stop, look_every=look_every))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(run, 30)


async def done(sessions: Sessions) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).where(KotaResource.kota_status == "done")) or 0


async def attempts(sessions: Sessions, id_: str) -> int | None:
    async with sessions() as session:
        return await session.scalar(select(KotaResource.attempts).where(KotaResource.id == id_))


async def all_done(sessions: Sessions, count: int) -> None:
    async def condition() -> bool:
        return await done(sessions) == count

    await until(condition)


async def test_all_rows_are_worked_on_once_in_order_and_never_more_than_allowed_at_a_time(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    names = [f"{number:03}" for number in range(100)]
    await add_rows(*names)
    begun: list[str] = []
    at_once: list[int] = []
    in_flight = 0

    async def work(job: rows.Job) -> None:
        nonlocal in_flight
        begun.append(job.id)
        in_flight += 1
        at_once.append(in_flight)
        await rows.settle(sessions, job)
        in_flight -= 1

    async with running(rows.lane(work, in_flight=5), sessions, silent_bell, look_every=NEVER):
        await all_done(sessions, len(names))
    assert begun == names
    assert max(at_once) == 5


async def test_no_claim_takes_more_than_a_batch_and_the_lane_is_filled_all_the_same(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows(*"abcdefgh")
    asked: list[int] = []
    gate = asyncio.Barrier(6)

    async def claim(session: AsyncSession, limit: int) -> Sequence[rows.Job]:
        asked.append(limit)
        return await rows.claim(session, limit)

    async def work(job: rows.Job) -> None:
        if job.id in "abcdef":
            await gate.wait()
        await rows.settle(sessions, job)

    lane = replace(rows.lane(work, in_flight=6, batch=4), claim=claim)
    async with running(lane, sessions, silent_bell, look_every=NEVER):
        await all_done(sessions, 8)
    assert max(asked) == 4


async def test_ring_brings_new_rows_to_work_at_once(url: str, sessions: Sessions, add_rows: AddRows) -> None:
    async def work(job: rows.Job) -> None:
        await rows.settle(sessions, job)

    async with Bell(url).listening() as bell, running(rows.lane(work), sessions, bell, look_every=NEVER):
        for count, name in enumerate("abc", start=1):
            await add_rows(name)
            async with sessions.begin() as session:
                await ring(session, rows.NAME)
            await all_done(sessions, count)


async def test_rows_are_found_without_a_bell(sessions: Sessions, silent_bell: Bell, add_rows: AddRows) -> None:
    async def work(job: rows.Job) -> None:
        await rows.settle(sessions, job)

    async with running(rows.lane(work), sessions, silent_bell):
        await add_rows("a")
        await all_done(sessions, 1)


async def test_job_that_raises_is_counted_and_keeps_its_lease_while_the_lane_goes_on(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("bad", "b", "c")
    before = unexpected_errors(rows.NAME)

    async def work(job: rows.Job) -> None:
        if job.id == "bad":
            raise LookupError(job.id)
        await rows.settle(sessions, job)

    async with running(rows.lane(work, in_flight=1), sessions, silent_bell):
        await all_done(sessions, 2)
    assert unexpected_errors(rows.NAME) == before + 1
    async with sessions() as session:
        assert list(await session.scalars(select(KotaResource.id).where(KotaResource.lease_token.is_not(None)))) == [
            "bad"
        ]


async def test_job_that_raises_is_handed_to_whoever_records_it_and_a_lost_database_is_not(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("bad", "away")
    recorded: list[tuple[str, str]] = []
    tried: set[str] = set()

    async def work(job: rows.Job) -> None:
        tried.add(job.id)
        raise LookupError(job.id) if job.id == "bad" else ConnectionRefusedError

    async def failed(job: rows.Job, error: Exception) -> None:
        recorded.append((job.id, type(error).__name__))
        await rows.settle(sessions, job)

    async with running(replace(rows.lane(work), failed=failed), sessions, silent_bell):
        await all_done(sessions, 1)
        await until(lambda: len(tried) == 2)
    assert recorded == [("bad", "LookupError")]


async def test_job_that_cannot_be_recorded_either_is_counted_twice_and_the_lane_goes_on(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("bad", "b")
    before = unexpected_errors(rows.NAME)

    async def work(job: rows.Job) -> None:
        if job.id == "bad":
            raise LookupError(job.id)
        await rows.settle(sessions, job)

    async def failed(job: rows.Job, _error: Exception) -> None:
        raise ArithmeticError(job.id)

    async with running(replace(rows.lane(work, in_flight=1), failed=failed), sessions, silent_bell):
        await all_done(sessions, 1)
    assert unexpected_errors(rows.NAME) == before + 2


async def test_job_that_loses_the_database_is_no_surprise(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("a")
    before = unexpected_errors(rows.NAME)
    tried = asyncio.Event()

    async def work(_job: rows.Job) -> None:
        tried.set()
        raise ConnectionRefusedError

    async with running(rows.lane(work), sessions, silent_bell):
        await asyncio.wait_for(tried.wait(), 30)
    assert unexpected_errors(rows.NAME) == before


async def test_job_that_gives_up_its_own_task_is_no_surprise(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("a", "b")
    before = unexpected_errors(rows.NAME)

    async def work(job: rows.Job) -> None:
        if job.id == "a":
            raise asyncio.CancelledError
        await rows.settle(sessions, job)

    async with running(rows.lane(work, in_flight=1), sessions, silent_bell):
        await all_done(sessions, 1)
    assert unexpected_errors(rows.NAME) == before


async def test_claim_that_raises_is_counted_and_tried_again(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("a")
    before = unexpected_errors(rows.NAME)
    tries = 0

    async def claim(session: AsyncSession, limit: int) -> Sequence[rows.Job]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise LookupError("no key for this row")
        return await rows.claim(session, limit)

    async def work(job: rows.Job) -> None:
        await rows.settle(sessions, job)

    async with running(replace(rows.lane(work), claim=claim), sessions, silent_bell):
        await all_done(sessions, 1)
    assert unexpected_errors(rows.NAME) == before + 1


async def test_claim_that_the_database_refuses_is_counted_and_tried_again(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("a")
    before = unexpected_errors(rows.NAME)
    refused = False

    async def claim(session: AsyncSession, limit: int) -> Sequence[rows.Job]:
        nonlocal refused
        if not refused:
            refused = True
            await session.execute(text("SELECT no_such_column"))
        return await rows.claim(session, limit)

    async def work(job: rows.Job) -> None:
        await rows.settle(sessions, job)

    async with running(replace(rows.lane(work), claim=claim), sessions, silent_bell):
        await all_done(sessions, 1)
    assert unexpected_errors(rows.NAME) == before + 1


async def test_job_that_waited_too_long_for_its_turn_is_handed_back_and_not_started(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("slow", "waiting")
    begun: list[str] = []
    end = asyncio.Event()
    handed_back: set[str] = set()

    async def work(job: rows.Job) -> None:
        begun.append(job.id)
        await end.wait()
        await rows.settle(sessions, job)

    async def release(session: AsyncSession, jobs: Sequence[rows.Job]) -> None:
        handed_back.update(job.id for job in jobs)
        await rows.release(session, jobs)

    # The rows are claimed for longer than the lane says, so that nobody takes the slow one over on a slow machine.
    lane = replace(rows.lane(work, in_flight=1), release=release, lease=timedelta(milliseconds=500))

    async def was_handed_back() -> bool:
        return handed_back == {"waiting"}

    async with running(lane, sessions, silent_bell):
        await until(was_handed_back)
        assert begun == ["slow"]
        end.set()
        await all_done(sessions, 2)
    assert begun == ["slow", "waiting"]


async def test_stopped_lane_hands_back_what_waits_and_tells_the_others(
    url: str, sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("slow", "waiting")
    begun, end = asyncio.Event(), asyncio.Event()

    async def work(job: rows.Job) -> None:
        begun.set()
        await end.wait()
        await rows.settle(sessions, job)

    async with Bell(url).listening() as bell, bell.ear(rows.NAME) as rung:
        async with running(rows.lane(work, in_flight=1), sessions, bell, look_every=NEVER) as stop:
            await asyncio.wait_for(begun.wait(), 30)
            rung.clear()
            stop.set()
            await asyncio.wait_for(rung.wait(), 30)
            assert await attempts(sessions, "waiting") == 0
            assert await done(sessions) == 0
            end.set()
        assert await done(sessions) == 1


async def test_release_that_the_database_refuses_leaves_the_rows_to_their_lease(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows
) -> None:
    await add_rows("slow", "waiting")
    before = unexpected_errors(rows.NAME)
    begun = asyncio.Event()

    async def work(job: rows.Job) -> None:
        begun.set()
        await stop.wait()
        await rows.settle(sessions, job)

    async def release(session: AsyncSession, _jobs: Sequence[rows.Job]) -> None:
        await session.execute(text("SELECT no_such_column"))

    lane = replace(rows.lane(work, in_flight=1), release=release)
    async with running(lane, sessions, silent_bell) as stop:
        await asyncio.wait_for(begun.wait(), 30)
    assert unexpected_errors(rows.NAME) == before + 1
    assert await attempts(sessions, "waiting") == 1


@pytest.mark.parametrize("crash", [False, True])
async def test_lane_closes_what_its_jobs_share_after_them(
    sessions: Sessions, silent_bell: Bell, add_rows: AddRows, *, crash: bool
) -> None:
    await add_rows("a")
    begun, stop = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def work(_job: rows.Job) -> None:
        begun.set()
        try:
            await stop.wait()
        finally:
            ended.append("job")

    async def close() -> None:
        ended.append("lane")

    lane = replace(rows.lane(work), close=close)
    run = asyncio.create_task(run_lane(lane, sessions=sessions, bell=silent_bell, stop=stop, look_every=NEVER))
    await asyncio.wait_for(begun.wait(), 30)
    if crash:
        run.cancel()
    else:
        stop.set()
    await asyncio.wait([run], timeout=30)
    assert ended == ["job", "lane"]


async def test_cancelled_lane_takes_its_jobs_with_it(sessions: Sessions, silent_bell: Bell, add_rows: AddRows) -> None:
    await add_rows("a")
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work(_job: rows.Job) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    run = asyncio.create_task(
        run_lane(rows.lane(work), sessions=sessions, bell=silent_bell, stop=asyncio.Event(), look_every=NEVER)
    )
    await asyncio.wait_for(begun.wait(), 30)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended.is_set()
