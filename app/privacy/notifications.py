"""The end of what Kota asked of a person: here, and in the copy that the host may have of it."""

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.models import (
    KotaResource,
    Notification,
    NotificationDismissal,
    NotificationState,
    OutboxMessage,
    OutboxState,
)
from app.models.notification import ERASED_CONTENT
from app.outbox.messages import MessageType, forget_messages
from app.outbox.notifications import tell_notification, told_as
from app.privacy.holdings import names


async def erase_notifications(session: AsyncSession, kota_id: str) -> Sequence[tuple[str, str]]:
    """Returns the resources that asked for something, by kind and id.

    What the host knows to be over goes, and with it what was delivered, since nothing else prunes that. It may have a
    copy of the rest that waits for its end, so that it is told of it, without the texts.
    """
    found = await session.scalars(
        select(Notification)
        .options(defer(Notification.title), defer(Notification.body))
        .where(Notification.kota_employee_id == kota_id, Notification.content_digest != ERASED_CONTENT)
        # As the end of a read locks them.
        .order_by(Notification.kind, Notification.resource_id, Notification.action)
        .with_for_update()
    )
    theirs = {told_as(notification.id): notification for notification in found}
    untold = set(
        await session.scalars(
            select(OutboxMessage.object).where(
                OutboxMessage.object.in_(theirs), OutboxMessage.state != OutboxState.DELIVERED
            )
        )
    )
    over = {object for object, item in theirs.items() if item.state is not NotificationState.OPEN} - untold
    await forget_messages(session, sorted(over))
    ids = [item.id for item in theirs.values()]
    await session.execute(delete(NotificationDismissal).where(NotificationDismissal.notification_id.in_(ids)))
    await session.execute(delete(Notification).where(Notification.id.in_([theirs[object].id for object in over])))
    # By object, as replays lock them.
    for object in sorted(theirs.keys() - over):
        await _end(session, theirs[object])
    return [(item.kind, item.resource_id) for item in theirs.values()]


async def _end(session: AsyncSession, notification: Notification) -> None:
    notification.title, notification.body, notification.content_digest = "", None, ERASED_CONTENT
    if notification.state is NotificationState.OPEN:
        notification.state = NotificationState.CLOSED
        notification.closed_at = await session.scalar(select(func.now()))
    await session.flush()
    await tell_notification(session, notification, MessageType.NOTIFICATION_CLOSED)


async def stop_polls(session: AsyncSession, kota_id: str, asking: Sequence[tuple[str, str]]) -> None:
    """Of this employee's resources, which are looked at for as long as they ask for something.

    Not of those that are dirty: events may wait for their read. It ends their polls as well.
    """
    key = tuple_(KotaResource.kind, KotaResource.id)
    locked = (
        select(KotaResource.kind, KotaResource.id)
        .where(or_(names(kota_id), key.in_(asking)), KotaResource.clean_seq >= KotaResource.dirty_seq)
        .order_by(KotaResource.kind, KotaResource.id)
        .with_for_update()
        .cte("locked")
    )
    await session.execute(
        update(KotaResource)
        .where(KotaResource.kind == locked.c.kind, KotaResource.id == locked.c.id)
        .values(next_attempt_at=None)
        .execution_options(synchronize_session=False)
    )
