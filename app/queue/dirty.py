"""Dirty resources: what has changed at Kota and waits to be read.

A resource is marked here by whoever learns that it changed: an event, a push that just stored its Kota id, an audit.
Marks collapse: however many there are, one read that began after the last of them settles all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Text, bindparam, case, column, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

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


async def mark_dirty(session: AsyncSession, kind: str, id: str, ids: Mapping[str, str] | None = None) -> int:
    """Have one resource read again; returns the mark, its new `dirty_seq`."""
    marks = await mark_all_dirty(session, [Resource(kind, id, ids or {})])
    return marks[kind, id]


async def read_anew(session: AsyncSession, kind: str, id: str) -> None:
    """Have one resource read again, and drop a read that is under way: it may show what was there before, and loses
    its lease. For whoever has just changed the resource, and written down what came of it."""
    await mark_dirty(session, kind, id)
    await session.execute(
        update(KotaResource)
        .where(KotaResource.kind == kind, KotaResource.id == id)
        .values(lease_token=None, lease_until=None, attempts=0)
        .execution_options(synchronize_session=False)
    )


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
    # One parameter for any number of rows: SQLAlchemy compiles a VALUES list of each length anew.
    given = (
        func.jsonb_to_recordset(bindparam("rows", rows, type_=JSONB))
        .table_valued(column("kind", Text), column("id", Text), column("ids", JSONB))
        .render_derived(with_types=True)
    )
    # In the order of the key: two transactions that mark the same resources in different orders would deadlock.
    source = select(given.c.kind, given.c.id, given.c.ids, func.now()).order_by(given.c.kind, given.c.id)
    columns = [KotaResource.kind, KotaResource.id, KotaResource.path_params, KotaResource.next_attempt_at]
    statement = insert(KotaResource).from_select([item.key for item in columns], source)
    statement = statement.on_conflict_do_update(
        index_elements=[KotaResource.kind, KotaResource.id],
        set_={
            "dirty_seq": KotaResource.dirty_seq + 1,
            "path_params": KotaResource.path_params.concat(statement.excluded.path_params),
            "attempts": case((KotaResource.next_attempt_at.is_(None), 0), else_=KotaResource.attempts),
            "next_attempt_at": func.least(KotaResource.next_attempt_at, func.now()),
        },
    )
    marked = await session.execute(statement.returning(KotaResource.kind, KotaResource.id, KotaResource.dirty_seq))
    await ring(session, DIRTY)
    return {(kind, id_): seq for kind, id_, seq in marked}
