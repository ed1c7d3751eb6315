"""What came of a push, written to its row by whoever still holds its lease.

Results that are ready at the same moment share one statement and one commit. Each is guarded by its own lease token,
so one that comes too late is refused alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
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
from app.models import Employee, SyncState
from app.queue.bell import ring
from app.queue.dirty import Resource, mark_all_dirty
from app.sync.kinds import EMPLOYEES, SETTLED, Fields, Kind, KindName


@dataclass(frozen=True, slots=True)
class Settlement:
    """The result of one push of `version`. If the host changed the record meanwhile, it stays pending and is due."""

    ref: str
    token: UUID
    version: int
    state: SyncState
    kota_id: str | None = None
    """Newly known."""
    synced: Fields | None = None
    """What Kota now has; None if that is what it had before."""
    retry_in: timedelta | None = None
    """For a pending record: when to try again."""
    done: bool = False
    """Whether Kota gave its verdict, and attempts count from 0 again."""
    forget_push: bool = False
    """Whether the key and body on disk have served."""
    push_body: bytes | None = None
    """With `forget_push`: an earlier body whose outcome is still unknown."""
    look_up: bool = False
    error_code: str | None = None
    error_trace_id: str | None = None
    error_fields: list[dict[str, str]] | None = field(default=None, repr=False)
    took_no_attempt: bool = False
    sent: bool = True
    """Whether anything was sent that may have changed something at Kota."""


_COLUMNS: dict[str, Any] = {
    "ref": Text(),
    "token": Uuid(),
    "version": Integer(),
    "state": Text(),
    "kota_id": Text(),
    "synced": EncryptedJSON(),
    "retry_in": Float(),
    "done": Boolean(),
    "forget_push": Boolean(),
    "push_body": EncryptedBytes(),
    "look_up": Boolean(),
    "error_code": Text(),
    "error_trace_id": Text(),
    "error_fields": EncryptedJSON(),
    "took_no_attempt": Boolean(),
    "sent": Boolean(),
}


async def write(session: AsyncSession, kind: Kind, settlements: Sequence[Settlement]) -> set[UUID]:
    """Settle rows; returns the tokens that still held. Rings whoever waits, and wakes what can now go on.

    Raises IntegrityError if a `kota_id` belongs to another record already.
    """
    given = _given(settlements)
    model = kind.model
    # Locked in the order of the key, as every writer of several records does.
    locked = (
        select(model.ref)
        .join(given, (model.ref == given.c.ref) & (model.lease_token == given.c.token))
        .order_by(model.ref)
        .with_for_update(of=model)
        .cte("locked")
    )
    statement = (
        update(model)
        .where(model.ref == locked.c.ref, model.ref == given.c.ref)
        .values(**_values(kind, given))
        .returning(model.ref, model.kota_id, given.c.token, given.c.kota_id, model.next_attempt_at)
        .execution_options(synchronize_session=False)
    )
    rows = (await session.execute(statement)).all()
    known = [(ref, kota_id) for ref, kota_id, _, new_id, _ in rows if new_id is not None]
    await mark_all_dirty(session, [Resource(kind.name.value, kota_id) for _, kota_id in known])
    if kind.name is KindName.EMPLOYER and known:
        await _wake_employees(session, [ref for ref, _ in known])
    if any(due is not None for *_, due in rows):
        await ring(session, kind.lane)
    if rows:
        await ring(session, SETTLED)
    return {token for _, _, token, _, _ in rows}


def _given(settlements: Sequence[Settlement]) -> Any:
    """The settlements as a table: an array a column."""
    rows = [replace(item, retry_in=None) for item in settlements]
    values = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
    values["state"] = [row.state.value for row in rows]
    values["retry_in"] = [item.retry_in.total_seconds() if item.retry_in is not None else None for item in settlements]
    arrays = [bindparam(None, values[name], type_=ARRAY(type_)) for name, type_ in _COLUMNS.items()]
    columns = [column(name, _on_disk(type_)) for name, type_ in _COLUMNS.items()]
    return func.unnest(*arrays).table_valued(*columns).render_derived()


def _on_disk(type_: Any) -> Any:
    return LargeBinary() if isinstance(type_, EncryptedBytes | EncryptedJSON) else type_


def _values(kind: Kind, given: Any) -> dict[str, Any]:
    model, new = kind.model, given.c
    overtaken = model.version != new.version
    wait = func.make_interval(0, 0, 0, 0, 0, 0, new.retry_in)

    def unless_forgotten(kept: ColumnElement[Any], else_: Any = None) -> ColumnElement[Any]:
        return case((new.forget_push, null() if else_ is None else else_), else_=kept)

    return {
        "lease_token": None,
        "lease_until": None,
        "kota_id": func.coalesce(model.kota_id, new.kota_id),
        "synced": func.coalesce(new.synced, model.__table__.c.synced),
        "synced_version": case((new.synced.is_not(None), new.version), else_=model.synced_version),
        "state": case((overtaken, SyncState.PENDING.value), else_=new.state),
        "next_attempt_at": case(
            (new.retry_in.is_not(None), func.now() + wait),
            (overtaken | (new.state == SyncState.PENDING.value), func.now()),
            else_=None,
        ),
        "attempts": case(
            (new.done, 0), (new.took_no_attempt, func.greatest(model.attempts - 1, 0)), else_=model.attempts
        ),
        "push_key": unless_forgotten(model.__table__.c.push_key),
        "push_body": unless_forgotten(model.__table__.c.push_body, new.push_body),
        "push_version": unless_forgotten(model.__table__.c.push_version),
        "push_started_at": unless_forgotten(model.__table__.c.push_started_at),
        "push_tried_at": unless_forgotten(case((new.sent, func.now()), else_=model.push_tried_at)),
        "push_api_key": unless_forgotten(model.__table__.c.push_api_key),
        "push_look_up": new.look_up,
        "error_code": new.error_code,
        "error_trace_id": new.error_trace_id,
        "error_fields": new.error_fields,
        "updated_at": func.now(),
    }


async def _wake_employees(session: AsyncSession, employer_refs: Sequence[str]) -> None:
    """Let employees go on that waited for these employers to get their ids."""
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
    if woken.first() is not None:
        await ring(session, EMPLOYEES.lane)
