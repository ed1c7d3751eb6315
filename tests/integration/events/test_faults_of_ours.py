"""A fault of ours in what follows a read of Kota: the event ends as dead and visible, and no other waits for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text, update

from app.events.inbox import Selection, replay_events
from app.events.settling import MAX_ATTEMPTS
from app.events.work import event_lanes
from app.models import EventState, KotaResource
from app.ops.logging import configure_logging
from app.queue.dirty import DIRTY
from tests.databases import NewDatabase
from tests.integration.events.lanes import running_lanes
from tests.integration.events.rows import (
    EMPLOYEE_ID,
    EMPLOYER_ID,
    add_people,
    event,
    get_employee,
    get_event,
    get_resource,
)
from tests.integration.stack import LOOKUP_KEY, Stack, open_stack
from tests.support.metrics import unexpected_errors
from tests.support.waiting import until

MARY = f"/employees/{EMPLOYEE_ID}"
OFFER = f"{MARY}/health_insurance/offers/eeho_bad"
ASKING = {
    "id": "eeho_bad",
    "status": "action_required",
    "employer_id": EMPLOYER_ID,
    "employee_id": EMPLOYEE_ID,
    "required_action": {"reason": "Answer the offer", "reason_description": "By then.", "due_at": "2026-03-20"},
}


@pytest.fixture
async def url(new_database: NewDatabase) -> str:
    return new_database()


@asynccontextmanager
async def working(url: str) -> AsyncIterator[Stack]:
    """A stack whose lanes run as in a worker, without waits between attempts."""
    # As in a worker: without the values of variables, which take longer to print than all else here.
    configure_logging(level="error", fmt="json")
    async with open_stack(url) as stack, running_lanes(stack, url, stack.reading()):
        yield stack


async def becomes(stack: Stack, number: int, state: EventState) -> None:
    async def condition() -> bool:
        return (await get_event(stack, number)).state is state

    await until(condition)


async def refuse(stack: Stack, statement: str) -> None:
    async with stack.sessions.begin() as session:
        await session.execute(text(statement))


def bad_offer(number: int) -> dict[str, Any]:
    return event(number, "employee.health_insurance.offer.action_required", id="eeho_bad", employee_id=EMPLOYEE_ID)


async def test_projection_that_raises_ends_as_a_dead_event_that_can_be_replayed(url: str) -> None:
    async with working(url) as stack:
        await add_people(stack)
        await refuse(stack, "ALTER TABLE notifications ADD CONSTRAINT fault CHECK (resource_id <> 'eeho_bad')")
        stack.played.resources[OFFER] = ASKING
        stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
        before = unexpected_errors(DIRTY)
        await stack.deliver(bad_offer(1), event(2, "employee.updated", id=EMPLOYEE_ID))
        await becomes(stack, 2, EventState.PROCESSED)
        await becomes(stack, 1, EventState.DEAD)
        dead = await get_event(stack, 1)
        assert (dead.attempts, dead.error_code) == (MAX_ATTEMPTS, "unexpected:IntegrityError")
        assert unexpected_errors(DIRTY) == before + MAX_ATTEMPTS
        assert stack.played.asked.count(OFFER) == MAX_ATTEMPTS
        resting = await get_resource(stack, "employee_offer", "eeho_bad")
        # An offer is looked at by itself, but seldom once it killed its events.
        assert resting.lease_token is None
        assert resting.error_code == "unexpected:IntegrityError"

        await refuse(stack, "ALTER TABLE notifications DROP CONSTRAINT fault")
        assert await replay_events(stack.sessions, Selection(state=EventState.DEAD)) == 1
        await becomes(stack, 1, EventState.PROCESSED)
        assert (await get_event(stack, 1)).error_code is None
        assert (await get_resource(stack, "employee_offer", "eeho_bad")).error_code is None


async def test_answer_of_kotas_that_the_database_cannot_hold_kills_its_event_and_delays_no_other(url: str) -> None:
    async with working(url) as stack:
        await add_people(stack)
        stack.played.resources["/policies/p_1"] = {"id": "p_1", "status": "act\x00ive"}
        stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
        await stack.deliver(event(1, "policy.active", policy_id="p_1"), event(2, "employee.updated", id=EMPLOYEE_ID))
        await becomes(stack, 1, EventState.DEAD)
        await becomes(stack, 2, EventState.PROCESSED)
        assert (await get_employee(stack)).kota_status == "active"
        dead = await get_event(stack, 1)
        assert dead.error_code
        assert dead.error_code.startswith("unexpected:")
        assert "act" not in dead.error_code


async def test_late_fault_of_a_lost_lease_is_not_written(url: str) -> None:
    async with open_stack(url) as stack:
        await stack.deliver(event(1, "policy.active", policy_id="p_1"))
        await stack.process()
        await stack.deliver(event(2, "policy.active", policy_id="p_1"))
        routing, *_ = event_lanes(
            stack.sessions,
            kota=stack.kota,
            keyring=stack.keyring,
            lookup_key=LOOKUP_KEY,
            reading=stack.reading(),
            clock=lambda: stack.now,
        )
        await routing.work(None)
        reader = stack.reader()
        [job] = await stack.claimed(reader.lanes()[0])
        async with stack.sessions.begin() as session:
            await session.execute(update(KotaResource).values(lease_token=text("gen_random_uuid()")))
        await reader.failed(job, LookupError("a fault"))
        assert ((await get_event(stack, 2)).attempts, (await get_event(stack, 2)).error_code) == (0, None)
