"""What came of pushes, written to their rows by whoever still holds the leases.

Results that are ready at the same moment share one statement and one commit. Each is guarded by its own lease token,
so one that comes too late is refused alone.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Float,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    case,
    column,
    func,
    null,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import EncryptedBytes, EncryptedJSON
from app.models import Employee, Notification, NotificationState, SyncState
from app.outbox.messages import MessageType, tell_host
from app.queue.advisory_locks import lock_names
from app.queue.bell import ring_all
from app.queue.dirty import Resource, mark_all_dirty
from app.sync.kinds import EMPLOYEES, Kind, KindName, settled_name
from app.sync.settlements import Settlement

_COLUMNS: dict[str, Any] = {
    "ref": Text(),
    "token": Uuid(),
    "version": Integer(),
    "state": Text(),
    "kota_id": Text(),
    "synced": EncryptedJSON(),
    "retry_in": Float(),
    "resets_attempts": Boolean(),
    "forget_push": Boolean(),
    "push_body": EncryptedBytes(),
    "look_up": Boolean(),
    "error_code": Text(),
    "error_trace_id": Text(),
    "error_fields": EncryptedJSON(),
    "returns_attempt": Boolean(),
    "sent": Boolean(),
}


async def write(session: AsyncSession, kind: Kind, settlements: Sequence[Settlement]) -> set[UUID]:
    """Settle rows; returns the tokens that still held. Rings whoever waits, and wakes what can now go on.

    Raises IntegrityError if a `kota_id` belongs to another record already.
    """
    rows = (await session.execute(_statement(kind), _arrays(settlements))).all()
    known = [(row.ref, row.kota_id) for row in rows if row.is_new]
    if known:
        await mark_known(session, kind, [kota_id for _, kota_id in known])
    for row in rows:
        if row.state == SyncState.REJECTED:
            await _tell_rejection(session, kind, row)
    names = [settled_name(kind, row.ref) for row in rows]
    if any(row.next_attempt_at is not None for row in rows):
        names.append(kind.lane)
    if kind.name is KindName.EMPLOYER and known and await wake_employees(session, [ref for ref, _ in known]):
        names.append(EMPLOYEES.lane)
    await ring_all(session, names)
    return {row.token for row in rows}


def _arrays(settlements: Sequence[Settlement]) -> dict[str, list[Any]]:
    """The settlements as a table: an array a column."""
    arrays = {f"new_{name}": [getattr(item, name) for item in settlements] for name in _COLUMNS}
    arrays["new_state"] = [item.state.value for item in settlements]
    arrays["new_retry_in"] = [
        item.retry_in.total_seconds() if item.retry_in is not None else None for item in settlements
    ]
    return arrays


@cache
def _statement(kind: Kind) -> Any:
    """One update for any number of settlements, built once: building it costs more than sending it."""
    table = kind.model.__table__
    arrays = [bindparam(f"new_{name}", type_=ARRAY(type_, dimensions=1)) for name, type_ in _COLUMNS.items()]
    columns = [column(name, _on_disk(type_)) for name, type_ in _COLUMNS.items()]
    given = func.unnest(*arrays).table_valued(*columns).render_derived()
    # Locked in the order of the key, as every writer of several records does.
    locked = (
        select(table.c.ref)
        .join(given, (table.c.ref == given.c.ref) & (table.c.lease_token == given.c.token))
        .order_by(table.c.ref)
        .with_for_update(of=table)
        .cte("locked")
    )
    return (
        update(table)
        .where(table.c.ref == locked.c.ref, table.c.ref == given.c.ref)
        .values(**_values(table, given.c))
        .returning(
            table.c.ref,
            table.c.kota_id,
            table.c.next_attempt_at,
            given.c.token,
            given.c.kota_id.is_not(None).label("is_new"),
            table.c.state,
            table.c.version,
            table.c.error_code,
            table.c.error_trace_id,
        )
    )


def _on_disk(type_: Any) -> Any:
    return LargeBinary() if isinstance(type_, EncryptedBytes | EncryptedJSON) else type_


def _values(table: Any, new: Any) -> dict[str, Any]:
    old = table.c
    overtaken = old.version != new.version
    wait = func.make_interval(0, 0, 0, 0, 0, 0, new.retry_in)

    def unless_forgotten(kept: ColumnElement[Any], otherwise: Any = None) -> ColumnElement[Any]:
        return case((new.forget_push, null() if otherwise is None else otherwise), else_=kept)

    return {
        "lease_token": None,
        "lease_until": None,
        "kota_id": func.coalesce(old.kota_id, new.kota_id),
        "synced": func.coalesce(new.synced, old.synced),
        "synced_version": case((new.state == SyncState.SYNCED.value, new.version), else_=old.synced_version),
        "state": case((overtaken, SyncState.PENDING.value), else_=new.state),
        "next_attempt_at": case(
            (new.retry_in.is_not(None), func.now() + wait),
            (overtaken | (new.state == SyncState.PENDING.value), func.now()),
            else_=None,
        ),
        "attempts": case(
            (new.resets_attempts, 0), (new.returns_attempt, func.greatest(old.attempts - 1, 0)), else_=old.attempts
        ),
        "push_key": unless_forgotten(old.push_key),
        "push_body": unless_forgotten(old.push_body, new.push_body),
        "push_version": unless_forgotten(old.push_version),
        "push_started_at": unless_forgotten(old.push_started_at),
        "push_tried_at": unless_forgotten(case((new.sent, func.now()), else_=old.push_tried_at)),
        "push_api_key": unless_forgotten(old.push_api_key),
        "push_look_up": new.look_up,
        "error_code": new.error_code,
        "error_trace_id": new.error_trace_id,
        "error_fields": new.error_fields,
        "updated_at": func.now(),
    }


async def _tell_rejection(session: AsyncSession, kind: Kind, row: Any) -> None:
    """By ids and codes: Kota's own words may repeat personal data, and the record shows them to whoever may see it."""
    content = {
        "kind": kind.name.value,
        "ref": row.ref,
        "version": row.version,
        "code": row.error_code,
        "kota_trace_id": row.error_trace_id,
    }
    await tell_host(session, MessageType.SYNC_REJECTED, object=f"sync/{kind.name.value}/{row.ref}", content=content)


async def mark_known(session: AsyncSession, kind: Kind, kota_ids: Sequence[str]) -> None:
    """Have records whose ids were just stored read, and whatever has asked for something in their names before.

    What it asks was told without the host's references. Whoever tells it now takes turns with us.
    """
    await lock_names(session, kota_ids)
    named = Notification.kota_employee_id if kind.has_employer else Notification.kota_employer_id
    asking = await session.execute(
        select(Notification.kind, Notification.resource_id).where(
            named.in_(kota_ids), Notification.state == NotificationState.OPEN
        )
    )
    records = [Resource(kind.name.value, kota_id) for kota_id in kota_ids]
    await mark_all_dirty(session, [*records, *(Resource(row.kind, row.resource_id) for row in asking)])


async def wake_employees(session: AsyncSession, employer_refs: Sequence[str]) -> bool:
    """Let employees go on that waited for these employers to get their ids; whether there were any."""
    waiting = (
        select(Employee.ref)
        .where(
            Employee.employer_ref.in_(employer_refs),
            Employee.state == SyncState.PENDING,
            Employee.kota_id.is_(None),
            Employee.next_attempt_at.is_(None),
        )
        .order_by(Employee.ref)
        .with_for_update(key_share=True)
        .cte("waiting")
    )
    woken = await session.execute(
        update(Employee)
        .where(Employee.ref == waiting.c.ref)
        .values(next_attempt_at=func.now())
        .returning(Employee.ref)
        .execution_options(synchronize_session=False)
    )
    return woken.first() is not None
