"""Dirty resources: what has changed at Kota and waits to be read.

A resource is marked here by whoever learns that it changed: an event, a push that just stored its Kota id, an audit.
Marks collapse: however many there are, one read that began after the last of them settles all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Text, bindparam, case, column, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import table_of
from app.models.kota_resource import KotaResource
from app.queue.bell import ring

DIRTY = "kota_resources"
"""The channel that rings when a resource became dirty."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource at Kota. `kind` is a name such as `employee`; `id` is Kota's own.

    `ids` are other ids that Kota named along with it, by its own parameter names: those that its path needs, and those
    that say whom it concerns. They are added to what is known already.
    """

    kind: str
    id: str
    ids: Mapping[str, str] = field(default_factory=dict)


_resources = table_of(KotaResource)
_row = _resources.c
# One parameter for any number of rows: SQLAlchemy compiles a VALUES list of each length anew.
_given = (
    func.jsonb_to_recordset(bindparam("marks", type_=JSONB))
    .table_valued(column("kind", Text), column("id", Text), column("ids", JSONB))
    .render_derived(with_types=True)
)
_insert = insert(_resources).from_select(
    [_row.kind, _row.id, _row.path_params, _row.next_attempt_at],
    # In the order of the key: two transactions that mark the same resources in different orders would deadlock.
    select(_given.c.kind, _given.c.id, _given.c.ids, func.now()).order_by(_given.c.kind, _given.c.id),
)
# Statements are built once: every event comes by here, and to build them costs more than to send them.
_MARK = _insert.on_conflict_do_update(
    index_elements=[_row.kind, _row.id],
    set_={
        "dirty_seq": _row.dirty_seq + 1,
        "path_params": _row.path_params.concat(_insert.excluded.path_params),
        "attempts": case((_row.next_attempt_at.is_(None), 0), else_=_row.attempts),
        "next_attempt_at": func.least(_row.next_attempt_at, func.now()),
    },
).returning(_row.kind, _row.id, _row.dirty_seq)
_DROP_READ = (
    update(_resources)
    .where(_row.kind == bindparam("of_kind"), _row.id == bindparam("of_id"))
    .values(lease_token=None, lease_until=None, attempts=0)
)


async def mark_dirty(session: AsyncSession, kind: str, id: str, ids: Mapping[str, str] | None = None) -> int:
    """Have one resource read again; returns the mark, its new `dirty_seq`."""
    marks = await mark_all_dirty(session, [Resource(kind, id, ids or {})])
    return marks[kind, id]


async def read_anew(session: AsyncSession, kind: str, id: str) -> None:
    """Have one resource read again, and drop a read that is under way: it may show what was there before, and loses
    its lease. For whoever has just changed the resource, and written down what came of it."""
    await mark_dirty(session, kind, id)
    await session.execute(_DROP_READ, {"of_kind": kind, "of_id": id})


async def mark_all_dirty(session: AsyncSession, resources: Iterable[Resource]) -> dict[tuple[str, str], int]:
    """Have resources read again; returns each one's mark by kind and id. They are locked until the commit.

    A resource that rests starts its attempts anew; one that is failing keeps its count, so that its waits stay long.
    """
    known: dict[tuple[str, str], dict[str, str]] = {}
    for resource in resources:
        known.setdefault((resource.kind, resource.id), {}).update(resource.ids)
    if not known:
        return {}
    rows = [{"kind": kind, "id": id_, "ids": ids} for (kind, id_), ids in known.items()]
    marked = await session.execute(_MARK, {"marks": rows})
    await ring(session, DIRTY)
    return {(kind, id_): seq for kind, id_, seq in marked}
