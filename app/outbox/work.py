"""The worker's share: bring the host what it is to be told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Integer, bindparam, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.db.encryption import Undecryptable
from app.db.engine import Sessions
from app.models.outbox_message import OutboxMessage, OutboxState
from app.ops.metrics import OUTBOX_MESSAGES
from app.outbox.delivery import Host, Message, NotDelivered
from app.outbox.messages import OUTBOX
from app.queue import leases
from app.queue.backoff import Backoff
from app.queue.lanes import Lane

log = structlog.get_logger(__name__)

LEAST_ATTEMPTS = 13
"""No message is given up before, however old it is: it may have grown old while there was no worker, or nowhere to tell
it. With the usual pauses this is some four hours of trying."""


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """How the host is told: the lease of an attempt, the waits between them, and when a message is given up."""

    lease: timedelta
    backoff: Backoff
    give_up_after: timedelta
    in_flight: int = 8


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at one version."""

    message: Message
    attempts: int
    lease: leases.Lease
    is_readable: bool


# A message under a lost key must not hold up the others, so that each is decrypted alone.
_CLAIM = leases.claiming(OutboxMessage, options=[defer(OutboxMessage.content, raiseload=True)])
# A newer version that came meanwhile stays pending, and goes out at once.
_is_newest = OutboxMessage.version == bindparam("told", type_=Integer)
_DELIVERED = leases.settling(
    OutboxMessage,
    state=case((_is_newest, OutboxState.DELIVERED.value), else_=OutboxMessage.state),
    # Its texts are personal data, and are not needed any more.
    content=case((_is_newest, None), else_=OutboxMessage.content),
    delivered_at=func.now(),
    error_code=None,
    next_attempt_at=case((_is_newest, literal(None)), else_=func.now()),
)


def outbox_lane(
    sessions: Sessions, *, host: Host, rules: DeliveryRules, clock: Callable[[], datetime]
) -> Lane[Delivery]:
    """The lane that tells the host."""

    async def claim(session: AsyncSession, limit: int) -> list[Delivery]:
        rows = await leases.claim(session, _CLAIM, limit=limit, lease=rules.lease)
        return [
            Delivery(
                Message(row.object, row.version, row.type, content or {}, row.changed_at),
                attempts=row.attempts,
                lease=leases.lease_of(row),
                is_readable=content is not None,
            )
            for row in rows
            for content in [await _content(session, row.object)]
        ]

    async def work(delivery: Delivery) -> None:
        try:
            if not delivery.is_readable:
                raise NotDelivered(Undecryptable.code)
            await host.deliver(delivery.message, now=clock())
        except NotDelivered as error:
            await _failed(sessions, delivery, error, rules=rules)
            return
        try:
            async with sessions.begin() as session:
                await _delivered(session, delivery)
        except leases.Lost:
            log.warning("outbox.lease.lost", object=delivery.message.object)
            return
        OUTBOX_MESSAGES.labels("delivered").inc()

    async def release(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        await leases.release(session, OutboxMessage, [delivery.lease for delivery in deliveries])

    return Lane(name=OUTBOX, claim=claim, work=work, release=release, lease=rules.lease, in_flight=rules.in_flight)


async def _content(session: AsyncSession, object: str) -> Mapping[str, Any] | None:
    """What a message says; None if no key that we have opens it."""
    try:
        return await session.scalar(select(OutboxMessage.content).where(OutboxMessage.object == object))
    except Undecryptable:
        return None


async def _delivered(session: AsyncSession, delivery: Delivery) -> None:
    await leases.settle(session, _DELIVERED, delivery.lease, told=delivery.message.version)


async def _failed(sessions: Sessions, delivery: Delivery, error: NotDelivered, *, rules: DeliveryRules) -> None:
    is_newest = OutboxMessage.version == delivery.message.version
    since = func.greatest(OutboxMessage.changed_at, OutboxMessage.replayed_at)
    was_tried = literal(delivery.attempts >= LEAST_ATTEMPTS)
    too_old = is_newest & was_tried & (since <= func.now() - rules.give_up_after)
    soon = leases.after(rules.backoff.delay(delivery.attempts))
    try:
        async with sessions.begin() as session:
            settled = leases.settling(
                OutboxMessage,
                state=case((too_old, OutboxState.DEAD.value), else_=OutboxMessage.state),
                error_code=error.code,
                next_attempt_at=case((too_old, literal(None)), (is_newest, soon), else_=func.now()),
            )
            await leases.settle(session, settled, delivery.lease)
    except leases.Lost:
        log.warning("outbox.lease.lost", object=delivery.message.object)
        return
    OUTBOX_MESSAGES.labels("failed").inc()
    log.warning(
        "outbox.delivery.failed",
        object=delivery.message.object,
        type=delivery.message.type,
        error_code=error.code,
        attempts=delivery.attempts,
    )
