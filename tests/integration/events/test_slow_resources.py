"""Many resources that Kota shows late, with an error or never: each is backed off, and no other waits for them.

All times are a hundredth of those in production, and their proportions the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select

from app.events.settling import MAX_ATTEMPTS
from app.events.work import ReadingRules
from app.kota import RetryPolicy, Timeouts, open_client
from app.kota.limiter import CallClass
from app.models import EventState, KotaEvent, KotaResource
from app.ops.logging import configure_logging
from app.queue.backoff import Backoff
from tests.databases import NewDatabase
from tests.integration.events.lanes import running_lanes
from tests.integration.events.rows import EMPLOYEE_ID, event, get_event, get_resource
from tests.integration.stack import API_KEY, POLLS, Stack, open_stack
from tests.support.transactions import OutsideTransactions
from tests.support.waiting import until

MANY = 24
HEALTHY = 1000
READING = ReadingRules(
    lease=timedelta(seconds=0.6),
    backoff=Backoff(timedelta(seconds=0.02), timedelta(seconds=0.2)),
    polls=POLLS,
)

Slow = Callable[[], Awaitable[httpx.Response]]


async def never() -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def late_error() -> httpx.Response:
    await asyncio.sleep(0.06)
    return httpx.Response(500, json={"status": 500, "error_code": "internal_error"})


@asynccontextmanager
async def working(url: str, policies: Slow) -> AsyncIterator[Stack]:
    """A stack whose lanes run; every policy is answered by `policies`."""
    configure_logging(level="error", fmt="json")

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/policies/"):
            return await policies()
        return httpx.Response(200, json={"id": EMPLOYEE_ID, "status": "active"})

    client = open_client(
        api_url="http://kota.test",
        api_key=API_KEY,
        timeouts=Timeouts(read=0.1),
        read_retry=RetryPolicy(first=0.005, longest=0.6, patience=0.05),
        transport=OutsideTransactions(httpx.MockTransport(answer)),
    )
    async with open_stack(url) as stack, client as kota:
        slow = replace(stack, kota=kota)
        async with running_lanes(slow, url, READING):
            yield slow


async def tell_of_policies(stack: Stack) -> None:
    await stack.deliver(*(event(number, "policy.active", policy_id=f"p_{number}") for number in range(MANY)))


async def failed(stack: Stack, *, attempts: int) -> int:
    """How many resources have a recorded failure, and so many attempts behind them."""
    counted = select(func.count()).where(KotaResource.error_code.is_not(None), KotaResource.attempts >= attempts)
    async with stack.sessions() as session:
        return await session.scalar(counted) or 0


async def until_processed(stack: Stack, number: int) -> None:
    async def is_processed() -> bool:
        return (await get_event(stack, number)).state is EventState.PROCESSED

    await until(is_processed)


async def in_state(stack: Stack, state: EventState) -> int:
    async with stack.sessions() as session:
        return await session.scalar(select(func.count()).where(KotaEvent.state == state)) or 0


@pytest.mark.parametrize("policies", [never, late_error])
async def test_every_failure_of_many_slow_resources_is_recorded_and_another_is_read_between_them(
    new_database: NewDatabase, policies: Slow
) -> None:
    async with working(new_database(), policies) as stack:
        await tell_of_policies(stack)

        async def all_failed() -> bool:
            return await failed(stack, attempts=1) == MANY

        await until(all_failed)
        await stack.deliver(event(HEALTHY, "employee.updated", id=EMPLOYEE_ID))
        await until_processed(stack, HEALTHY)
        assert await in_state(stack, EventState.PENDING) == MANY

        async def all_failed_again() -> bool:
            return await failed(stack, attempts=3) == MANY

        await until(all_failed_again, seconds=30)


async def test_many_resources_that_answer_late_and_with_an_error_end_as_dead_events(new_database: NewDatabase) -> None:
    async with working(new_database(), late_error) as stack:
        await tell_of_policies(stack)

        async def all_are_dead() -> bool:
            return await in_state(stack, EventState.DEAD) == MANY

        await until(all_are_dead, seconds=60)
        async with stack.sessions() as session:
            attempts = await session.scalars(select(KotaEvent.attempts).distinct())
            assert list(attempts) == [MAX_ATTEMPTS]


async def test_resource_that_waits_too_long_for_its_turn_is_backed_off_and_nothing_dies_of_it(
    new_database: NewDatabase,
) -> None:
    async with working(new_database(), never) as stack:
        limiter = stack.kota.limiter
        async with AsyncExitStack() as others:
            for _ in range(limiter.allowed(CallClass.READ)):
                await others.enter_async_context(limiter.slot(CallClass.READ, operation="GET /policies"))
            await stack.deliver(event(HEALTHY, "employee.updated", id=EMPLOYEE_ID))

            async def has_failed() -> bool:
                return await failed(stack, attempts=2) == 1

            await until(has_failed)
            assert (await get_resource(stack, "employee", EMPLOYEE_ID)).error_code == "timed_out"
            waiting = await get_event(stack, HEALTHY)
            assert (waiting.state, waiting.attempts) == (EventState.PENDING, 0)
        await until_processed(stack, HEALTHY)
