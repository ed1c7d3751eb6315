"""The outbox as people see it: look messages up, and have those tried again that were given up."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.db.engine import Sessions
from app.errors import Conflict, NotFound
from app.models.outbox_message import OutboxMessage, OutboxState
from app.outbox.messages import OUTBOX
from app.queue.bell import ring

_CHUNK = 1_000
# Nobody looks at what messages say, and one under a lost key must not hide the others.
_UNREAD = defer(OutboxMessage.content, raiseload=True)


class AlreadyDelivered(Conflict):
    """The host has taken this message, and its content was forgotten."""

    code = "already_delivered"


async def list_messages(
    session: AsyncSession, *, state: OutboxState | None, after: str | None, limit: int
) -> Sequence[OutboxMessage]:
    """Messages by object, from the one after `after` on; those in one state, or all."""
    conditions: list[ColumnElement[bool]] = [] if state is None else [OutboxMessage.state == state]
    if after is not None:
        conditions.append(OutboxMessage.object > after)
    wanted = select(OutboxMessage).options(_UNREAD).where(*conditions)
    found = await session.scalars(wanted.order_by(OutboxMessage.object).limit(limit))
    return found.all()


async def count_messages(session: AsyncSession, *, state: OutboxState | None) -> int:
    """How many there are."""
    counted = select(func.count()).select_from(OutboxMessage)
    if state is not None:
        counted = counted.where(OutboxMessage.state == state)
    return await session.scalar(counted) or 0


async def replay_message(session: AsyncSession, object: str) -> OutboxMessage:
    """Have one message tried now, as if for the first time, under the same id; raises NotFound or AlreadyDelivered."""
    if not await _replay(session, [OutboxMessage.object == object, OutboxMessage.state != OutboxState.DELIVERED]):
        if await session.get(OutboxMessage, object, options=[_UNREAD]) is None:
            raise NotFound
        raise AlreadyDelivered
    return await session.get_one(OutboxMessage, object, options=[_UNREAD])


async def replay_dead(sessions: Sessions) -> int:
    """Try all that was given up again; how many messages that is. In short transactions, so that nobody waits."""
    replayed, last = 0, ""
    while True:
        async with sessions.begin() as session:
            dead = await list_messages(session, state=OutboxState.DEAD, after=last or None, limit=_CHUNK)
            objects = [message.object for message in dead]
            replayed += await _replay(
                session, [OutboxMessage.object.in_(objects), OutboxMessage.state == OutboxState.DEAD]
            )
        if len(objects) < _CHUNK:
            return replayed
        last = objects[-1]


async def _replay(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> int:
    locked = select(OutboxMessage.object).where(*conditions).order_by(OutboxMessage.object).with_for_update()
    replayed = await session.scalars(
        update(OutboxMessage)
        .where(OutboxMessage.object == locked.cte("locked").c.object)
        .values(
            state=OutboxState.PENDING,
            attempts=0,
            next_attempt_at=func.now(),
            replayed_at=func.now(),
            error_code=None,
        )
        .returning(OutboxMessage.object)
        .execution_options(synchronize_session=False)
    )
    await ring(session, OUTBOX)
    return len(replayed.all())
