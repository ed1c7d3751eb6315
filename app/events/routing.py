"""From stored events to dirty resources: each event marks the one that it is about."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Integer, Text, bindparam, case, column, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import table_of
from app.db.encryption import Keyring, Undecryptable
from app.events.catalogue import Unnamed, resource_of
from app.events.reconcile import KEPT_FOR, follow, reconcile_soon
from app.kota import NotAnEvent, read_envelope
from app.models.kota_event import UNROUTED, EventState, KotaEvent
from app.queue.dirty import Resource, mark_all_dirty

log = structlog.get_logger(__name__)

_events = table_of(KotaEvent)
_event = _events.c
# One parameter for any number of rows: SQLAlchemy compiles a VALUES list of each length anew.
_given = (
    func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
    .table_valued(
        column("id", Text),
        column("state", Text),
        column("kind", Text),
        column("resource", Text),
        column("seq", Integer),
        column("code", Text),
    )
    .render_derived(with_types=True)
)
# Statements are built once: to build them costs more than to send them.
_TO_ROUTE = (
    select(
        _event.id,
        _event.type,
        _event.body,
        _event.version,
        _event.deliveries,
        _event.resource_kind,
        _event.resource_id,
    )
    .where(UNROUTED)
    .order_by(_event.received_at)
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_RECORD = (
    update(_events)
    .where(_event.id == _given.c.id)
    .values(
        state=_given.c.state,
        resource_kind=_given.c.kind,
        resource_id=_given.c.resource,
        resource_seq=_given.c.seq,
        error_code=_given.c.code,
        processed_at=case((_given.c.state == EventState.IGNORED.value, func.now())),
    )
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
    rows = (await session.execute(_TO_ROUTE, {"at_most": limit})).all()
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
    await session.execute(_RECORD, {"rows": rows})
