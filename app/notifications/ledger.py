"""Open, update, close and expire notifications, and tell the host of each change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import lookup_digest
from app.models.employee import Employee
from app.models.employer import Employer
from app.models.notification import Notification, NotificationDismissal, NotificationState
from app.notifications.actions import Action, is_past, last_past_day
from app.notifications.concerned import Concerned
from app.outbox.messages import MessageType
from app.outbox.notifications import ref_of, tell_notification
from app.queue.advisory_locks import lock_names

OPEN, CLOSED, EXPIRED = NotificationState.OPEN, NotificationState.CLOSED, NotificationState.EXPIRED


@dataclass(frozen=True, slots=True)
class Asking:
    """One resource that asks for something, whom it concerns, and when that was read."""

    kind: str
    resource_id: str
    concerned: Concerned
    now: datetime


async def keep_notifications(
    session: AsyncSession, asking: Asking, actions: Sequence[Action], *, lookup_key: bytes
) -> None:
    """Let the notifications of one resource be exactly `actions`; what it does not ask for any more is closed."""
    found = await session.scalars(
        select(Notification)
        .where(Notification.kind == asking.kind, Notification.resource_id == asking.resource_id)
        .order_by(Notification.action)
        .with_for_update()
    )
    known = {notification.action: notification for notification in found}
    refs = await _refs(session, asking.concerned) if actions else ()
    for action in actions:
        digest = _digest(action, asking.concerned, refs, lookup_key=lookup_key)
        await _keep(session, known.pop(action.name, None), action, asking, digest=digest)
    for notification in known.values():
        if notification.state is OPEN:
            await _end(session, notification, CLOSED, now=asking.now)


async def _keep(
    session: AsyncSession, notification: Notification | None, action: Action, asking: Asking, *, digest: bytes
) -> None:
    was_open = notification is not None and notification.state is OPEN
    if is_past(action.due_on, now=asking.now):
        # Nobody can act on it any more.
        if notification is not None and was_open:
            await _end(session, notification, EXPIRED, now=asking.now)
        return
    if notification is None:
        notification = Notification(
            id=uuid4(), kind=asking.kind, resource_id=asking.resource_id, action=action.name, content_digest=b""
        )
        session.add(notification)
    elif not was_open:
        # Asked again, though it may be with the same words: who put the first one aside has not seen this one.
        await session.execute(
            delete(NotificationDismissal).where(NotificationDismissal.notification_id == notification.id)
        )
    if was_open and notification.content_digest == digest:
        return
    _write(notification, action, asking.concerned, digest)
    if not was_open:
        notification.state, notification.opened_at, notification.closed_at = OPEN, asking.now, None
    await session.flush()
    told = MessageType.NOTIFICATION_UPDATED if was_open else MessageType.NOTIFICATION_OPENED
    await tell_notification(session, notification, told)


def _write(notification: Notification, action: Action, concerned: Concerned, digest: bytes) -> None:
    notification.audience = action.audience
    notification.code = action.code
    notification.title = action.title
    notification.body = action.body
    notification.due_on = action.due_on
    notification.content_digest = digest
    notification.kota_employer_id = concerned.employer_id
    notification.kota_employee_id = concerned.employee_id
    notification.external_customer_id = concerned.external_customer_id


async def expire_notifications(session: AsyncSession, *, now: datetime, limit: int = 200) -> int:
    """Expire notifications on which nobody can act any more; how many. Call until it is fewer than `limit`."""
    past = await session.scalars(
        select(Notification)
        .where(Notification.state == OPEN, Notification.due_on <= last_past_day(now))
        .order_by(Notification.due_on, Notification.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    expired = 0
    for notification in past.all():
        await _end(session, notification, EXPIRED, now=now)
        expired += 1
    return expired


async def _end(session: AsyncSession, notification: Notification, state: NotificationState, *, now: datetime) -> None:
    notification.state, notification.closed_at = state, now
    await session.flush()
    await tell_notification(session, notification, MessageType.NOTIFICATION_CLOSED)


async def _refs(session: AsyncSession, concerned: Concerned) -> Sequence[str | None]:
    """The host's references of those whom it concerns.

    Whoever just stores the id of such a record waits for us, or we for them: otherwise neither would see the other, and
    the host would never be told the reference.
    """
    refs = []
    for model, kota_id in ((Employer, concerned.employer_id), (Employee, concerned.employee_id)):
        ref = await ref_of(session, model, kota_id)
        if ref is None and kota_id is not None:
            await lock_names(session, [kota_id])
            ref = await ref_of(session, model, kota_id)
        refs.append(ref)
    return refs


def _digest(action: Action, concerned: Concerned, refs: Sequence[str | None], *, lookup_key: bytes) -> bytes:
    """Of what a person sees, and behind it of the references: that they came later brings nothing back to a person."""
    due_on = action.due_on.isoformat() if action.due_on else ""
    shown = [action.audience.value, action.title, action.body or "", due_on, action.code or ""]
    ids = [concerned.employer_id or "", concerned.employee_id or "", concerned.external_customer_id or ""]
    seen = lookup_digest(lookup_key, "notification", "\x1f".join([*shown, *ids]).encode())
    return seen + lookup_digest(lookup_key, "notification_refs", "\x1f".join(ref or "" for ref in refs).encode())
