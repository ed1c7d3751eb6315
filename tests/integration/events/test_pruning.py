"""What is over is forgotten, and what waits never."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.db.pruning import CHUNK
from app.events.pruning import prune_events
from app.models import EventState, KotaEvent
from tests.integration.stack import Stack

DAY = timedelta(days=1)


async def grow_old(stack: Stack, state: EventState, *ids: str) -> None:
    await stack.deliver(*({"id": id_, "type": "t"} for id_ in ids))
    async with stack.sessions.begin() as session:
        old = update(KotaEvent).where(KotaEvent.id.in_(ids))
        await session.execute(old.values(state=state, received_at=func.now() - 91 * DAY))


async def left(stack: Stack) -> set[str]:
    async with stack.sessions() as session:
        return set(await session.scalars(select(KotaEvent.id)))


@pytest.mark.threat(15)
async def test_old_events_are_pruned_but_never_what_waits(stack: Stack) -> None:
    for state in EventState:
        await grow_old(stack, state, f"evt_{state.value}")
    await stack.deliver({"id": "evt_new", "type": "t"})
    await prune_events(stack.sessions, after=90 * DAY)
    assert await left(stack) == {"evt_pending", "evt_dead", "evt_new"}


async def test_more_than_one_transaction_forgets_are_all_forgotten(stack: Stack) -> None:
    await grow_old(stack, EventState.PROCESSED, *(f"evt_{number}" for number in range(2 * CHUNK + 1)))
    await prune_events(stack.sessions, after=90 * DAY)
    assert await left(stack) == set()
