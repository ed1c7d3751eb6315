"""What is over is forgotten whole, and what waits never."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.models import Notification, NotificationState, OutboxMessage, OutboxState
from app.notifications.pruning import prune_notifications
from tests.integration.stack import Stack

DAY = timedelta(days=1)
OLD, RECENT, WAITING = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.mark.threat(15)
@pytest.mark.parametrize("state", OutboxState)
async def test_what_the_host_was_told_of_a_notification_goes_with_it_and_nothing_else(
    stack: Stack, state: OutboxState
) -> None:
    asked: dict[str, Any] = {"kind": "k", "action": "a", "audience": "employee", "title": "Mary", "content_digest": b""}
    over = {"state": NotificationState.CLOSED, **asked}
    message = {"type": "x", "content": {"title": "Mary"}, "state": state, "changed_at": func.now() - 91 * DAY}
    async with stack.sessions.begin() as session:
        session.add(Notification(id=OLD, resource_id="1", closed_at=func.now() - 91 * DAY, **over))
        session.add(Notification(id=RECENT, resource_id="2", closed_at=func.now() - 89 * DAY, **over))
        session.add(Notification(id=WAITING, resource_id="3", opened_at=func.now() - 91 * DAY, **asked))
        for object in (*(f"notification/{id_}" for id_ in (OLD, RECENT, WAITING)), "employee_status/mary"):
            session.add(OutboxMessage(object=object, **message))

    await prune_notifications(stack.sessions, after=90 * DAY)

    async with stack.sessions() as session:
        left = await session.scalars(select(OutboxMessage.object).order_by(OutboxMessage.object))
        assert left.all() == ["employee_status/mary", f"notification/{RECENT}", f"notification/{WAITING}"]
        assert set(await session.scalars(select(Notification.id))) == {RECENT, WAITING}
