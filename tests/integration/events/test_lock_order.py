"""Whoever updates several events locks them by id, so that no two wait for each other in a circle."""

import asyncio

from sqlalchemy import select, text

from app.events.reading import Job
from app.events.settling import finish_events
from app.models import KotaEvent
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, event
from tests.integration.events.test_processing import route
from tests.integration.stack import Stack
from tests.support.waiting import until

WAITING = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")


async def test_end_of_a_read_waits_for_a_replay_with_nothing_in_its_hands(stack: Stack) -> None:
    for number in (2, 1):
        await stack.deliver(event(number, "employee.updated", id=EMPLOYEE_ID, employer_id=EMPLOYER_ID))
        await route(stack)
    [job] = await stack.claimed(stack.reader().lanes()[0])

    async def finish(job: Job) -> int:
        async with stack.sessions.begin() as session:
            return await finish_events(session, job)

    async with stack.sessions.begin() as replay:
        await replay.scalar(select(KotaEvent).where(KotaEvent.id == "evt_1").with_for_update())
        finishing = asyncio.create_task(finish(job))

        async def waits() -> bool:
            return bool(await replay.scalar(WAITING))

        await until(waits)
        next_one = select(KotaEvent).where(KotaEvent.id == "evt_2").with_for_update(nowait=True)
        assert await replay.scalar(next_one) is not None
    assert await finishing == 2
