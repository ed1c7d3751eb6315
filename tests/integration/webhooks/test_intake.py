import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import create_engine, create_sessions
from app.models import KotaEvent
from app.webhooks.intake import Intake, Limits, NotStored, Outcome
from app.webhooks.store import NewEvent, store_found
from tests.databases import NewDatabase
from tests.integration.stack import KEYRING


@pytest.fixture
async def engine(new_database: NewDatabase) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(new_database(), keyring=KEYRING, application_name="test")
    yield engine
    await engine.dispose()


def event(number: int | str, type: str = "t") -> NewEvent:
    return NewEvent(f"evt_{number}", type, "v2", b"sealed")


async def count(engine: AsyncEngine) -> int:
    async with create_sessions(engine)() as session:
        return await session.scalar(select(func.count()).select_from(KotaEvent)) or 0


async def transactions(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT count(DISTINCT xmin::text) FROM kota_events"))
    assert isinstance(found, int)
    return found


async def test_deliveries_that_wait_together_share_a_transaction(engine: AsyncEngine) -> None:
    async with Intake(engine).running() as intake:
        outcomes = await asyncio.gather(*(intake.submit(event(number)) for number in range(350)))
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert await count(engine) == 350
    assert await transactions(engine) == 2  # 200 rows a flush at most.


async def test_row_that_the_database_refuses_fails_alone(engine: AsyncEngine) -> None:
    bad = event("bad", type="\x00")
    async with Intake(engine).running() as intake:
        outcomes = await asyncio.gather(
            *(intake.submit(bad if number == 17 else event(number)) for number in range(40)), return_exceptions=True
        )
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, NotStored)] == [17]
    assert await count(engine) == 39


async def test_caller_that_hangs_up_loses_nothing(engine: AsyncEngine) -> None:
    async with Intake(engine).running() as intake:
        calls = [asyncio.create_task(intake.submit(event(number))) for number in range(10)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert await count(engine) == 10


async def test_what_waits_at_the_end_is_stored_before_it(engine: AsyncEngine) -> None:
    async with Intake(engine).running() as intake:
        calls = [asyncio.create_task(intake.submit(event(number))) for number in range(500)]
        await asyncio.sleep(0)
    assert set(await asyncio.gather(*calls)) == {Outcome.ACCEPTED}
    with pytest.raises(NotStored):
        await intake.submit(event("late"))


@pytest.mark.threat(21)
async def test_too_many_waiting_are_refused_with_a_time_to_come_back(engine: AsyncEngine) -> None:
    limits = Limits(waiting=20)
    async with create_sessions(engine).begin() as session, Intake(engine, limits=limits).running() as intake:
        await session.execute(text("LOCK TABLE kota_events"))
        calls = [asyncio.create_task(intake.submit(event(number))) for number in range(30)]
        await asyncio.sleep(0)
        assert sum(call.done() for call in calls) == 10
        await session.rollback()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, NotStored)]
    assert len(errors) == 10
    assert {error.retry_after for error in errors} == {5}
    assert await count(engine) == 20


@pytest.mark.threat(21)
async def test_memory_is_bounded_in_bytes_as_well(engine: AsyncEngine) -> None:
    large = [NewEvent(f"evt_{number}", "t", "v2", bytes(1000)) for number in range(10)]
    async with Intake(engine, limits=Limits(waiting_bytes=5_000, bytes_per_flush=2_000)).running() as intake:
        outcomes = await asyncio.gather(*map(intake.submit, large), return_exceptions=True)
        assert [outcome for outcome in outcomes if outcome is Outcome.ACCEPTED] == [Outcome.ACCEPTED] * 5
        assert await transactions(engine) == 3
        assert await intake.submit(NewEvent("evt_huge", "t", "v2", bytes(4_000))) is Outcome.ACCEPTED


@pytest.mark.threat(21)
async def test_slow_database_is_answered_in_time_and_what_was_sent_is_still_stored(engine: AsyncEngine) -> None:
    limits = Limits(wait=timedelta(milliseconds=50))
    async with Intake(engine, limits=limits).running() as intake, create_sessions(engine).begin() as session:
        await session.execute(text("LOCK TABLE kota_events"))
        with pytest.raises(NotStored):
            await intake.submit(event(1))
    assert await count(engine) == 1


async def test_lost_connection_is_bridged_by_one_repetition(engine: AsyncEngine) -> None:
    async with Intake(engine).running() as intake:
        assert await intake.submit(event(1)) is Outcome.ACCEPTED
        async with engine.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        assert await intake.submit(event(2)) is Outcome.ACCEPTED
    assert await count(engine) == 2


async def test_overlapping_batches_of_several_processes_do_not_deadlock(engine: AsyncEngine) -> None:
    async with Intake(engine).running() as one, Intake(engine).running() as two:
        for _ in range(5):
            forwards = [one.submit(event(number)) for number in range(200)]
            backwards = [two.submit(event(number)) for number in reversed(range(200))]
            await asyncio.gather(*forwards, *backwards)
    assert await count(engine) == 200
    async with create_sessions(engine)() as session:
        assert set(await session.scalars(select(KotaEvent.deliveries))) == {10}


async def test_event_that_was_found_is_no_delivery_and_a_known_one_stays_as_it_is(engine: AsyncEngine) -> None:
    assert await store_found(engine, [event(1)]) == {"evt_1"}
    assert await store_found(engine, [event(1), event(2)]) == {"evt_2"}
    async with Intake(engine).running() as intake:
        assert await intake.submit(event(1)) is Outcome.DUPLICATE
    async with create_sessions(engine)() as session:
        deliveries = await session.execute(select(KotaEvent.id, KotaEvent.deliveries).order_by(KotaEvent.id))
        assert [tuple(row) for row in deliveries] == [("evt_1", 1), ("evt_2", 0)]
