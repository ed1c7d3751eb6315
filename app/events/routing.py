"""From stored events to dirty resources: each event marks the one that it is about."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Integer, Text, bindparam, case, column, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring, Undecryptable
from app.events.catalogue import Unnamed, resource_of
from app.events.reconcile import KEPT_FOR, follow, reconcile_soon
from app.kota import NotAnEvent, read_envelope
from app.models.kota_event import UNROUTED, EventState, KotaEvent
from app.queue.dirty import Resource, mark_all_dirty

log = structlog.get_logger(__name__)

_TO_ROUTE = (
    KotaEvent.id,
    KotaEvent.type,
    KotaEvent.body,
    KotaEvent.version,
    KotaEvent.deliveries,
    KotaEvent.resource_kind,
    KotaEvent.resource_id,
)


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of one event: a resource to read, or its end."""

    id: str
    state: EventState
    resource: Resource | None = None
    error_code: str | None = None


def route(id: str, type: str, body: bytes, *, known: Resource | None, keyring: Keyring) -> Routed:
    """Decide about one event from its encrypted body. Never raises for what Kota may have written there.

    `known` is the resource of an earlier routing: it does where the body says nothing any more.
    """
    try:
        resource = resource_of(type, read_envelope(keyring.decrypt(body)).data)
    except (Unnamed, NotAnEvent, Undecryptable) as error:
        if known is not None:
            return Routed(id, EventState.PENDING, known)
        # A body that is no event any more names nothing either.
        code = error.code if isinstance(error, Undecryptable) else Unnamed.code
        return Routed(id, EventState.DEAD, error_code=code)
    return Routed(id, EventState.PENDING if resource else EventState.IGNORED, resource)


async def route_pending(session: AsyncSession, *, keyring: Keyring, limit: int = 500) -> Counter[EventState]:
    """Route up to `limit` events that nobody else is routing; how many became what. Empty when there are none."""
    waiting = await session.execute(
        select(*_TO_ROUTE)
        .where(UNROUTED)
        .order_by(KotaEvent.received_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = waiting.all()
    routed = [
        route(row.id, row.type, row.body, known=_known(row.resource_kind, row.resource_id), keyring=keyring)
        for row in rows
    ]
    if await follow(session, {row.version for row in rows if row.deliveries}, since=func.now() - KEPT_FOR):
        await reconcile_soon(session)
    if routed:
        marks = await mark_all_dirty(session, [event.resource for event in routed if event.resource])
        await _record(session, routed, marks)
    for event in routed:
        if event.state is EventState.DEAD:
            log.warning("events.routing.failed", event_id=event.id, error_code=event.error_code)
    return Counter(event.state for event in routed)


def _known(kind: str | None, id: str | None) -> Resource | None:
    # The ids of its path were kept with the resource.
    return None if kind is None or id is None else Resource(kind, id)


async def _record(session: AsyncSession, routed: Sequence[Routed], marks: dict[tuple[str, str], int]) -> None:
    rows = [
        {
            "id": event.id,
            "state": event.state.value,
            "kind": event.resource.kind if event.resource else None,
            "resource": event.resource.id if event.resource else None,
            "seq": marks[event.resource.kind, event.resource.id] if event.resource else None,
            "code": event.error_code,
        }
        for event in routed
    ]
    names = {"id": Text, "state": Text, "kind": Text, "resource": Text, "seq": Integer, "code": Text}
    given = (
        func.jsonb_to_recordset(bindparam("rows", rows, type_=JSONB))
        .table_valued(*(column(name, type_) for name, type_ in names.items()))
        .render_derived(with_types=True)
    )
    await session.execute(
        update(KotaEvent)
        .where(KotaEvent.id == given.c.id)
        .values(
            state=given.c.state,
            resource_kind=given.c.kind,
            resource_id=given.c.resource,
            resource_seq=given.c.seq,
            error_code=given.c.code,
            processed_at=case((given.c.state == EventState.IGNORED.value, func.now())),
        )
        .execution_options(synchronize_session=False)
    )
