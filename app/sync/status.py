"""What Kota says of a record's state, written down. For whoever reads Kota's copy; a push never does this."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import DateTime, Text, bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Employee, Employer
from app.sync.at_kota import KotaRecord, employer_id_of, reference_of
from app.sync.kinds import KINDS, KindName


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A record whose state at Kota was read. `before` is None if it was not known."""

    kind: KindName
    ref: str
    employer_ref: str
    before: str | None
    after: str | None

    @property
    def changed(self) -> bool:
        return self.before != self.after


async def record_status(session: AsyncSession, kind: str, found: KotaRecord, now: datetime) -> StatusChange | None:
    """Write down the state in `found`; None if it is nobody's that we know. Locks the record's row.

    Lock the row of the dirty resource after this, never before: pushes take them in this order.
    """
    if found.status is None:
        # Kota's OpenAPI does not promise it. What is not said changes nothing: least of all that somebody has left.
        return None
    name = KindName(kind)
    values = {"found_id": found.id, "status": found.status, "now": now}
    row = (await session.execute(_by_kota_id(name), values)).one_or_none()
    if row is None:
        ref = await _ref_of(session, name, found)
        row = (await session.execute(_by_ref(name), values | {"found_ref": ref})).one_or_none() if ref else None
    if row is None:
        return None
    return StatusChange(kind=name, ref=row.ref, employer_ref=row.employer_ref, before=row.before, after=found.status)


async def _ref_of(session: AsyncSession, kind: KindName, found: KotaRecord) -> str | None:
    """The reference of a record whose create was not answered yet: its event may come first."""
    reference = reference_of(found)
    if reference is None or kind is KindName.EMPLOYER:
        return reference
    # A reference is unique here, but not at Kota: another employer's employee may carry the same.
    employer_id = await session.scalar(
        select(Employer.kota_id).join(Employee, Employee.employer_ref == Employer.ref).where(Employee.ref == reference)
    )
    return reference if employer_id is not None and employer_id_of(found) == employer_id else None


# Built once, and without the record's texts, which would have to be decrypted: every event of a record comes by here.


@cache
def _by_kota_id(kind: KindName) -> Any:
    table = KINDS[kind].model.__table__
    return _update(kind, table.c.kota_id == bindparam("found_id"))


@cache
def _by_ref(kind: KindName) -> Any:
    table = KINDS[kind].model.__table__
    return _update(kind, (table.c.ref == bindparam("found_ref")) & table.c.kota_id.is_(None))


def _update(kind: KindName, condition: Any) -> Any:
    table = KINDS[kind].model.__table__
    locked = (
        select(table.c.ref, table.c.kota_status.label("before"))
        .where(condition)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    employer_ref = table.c.employer_ref if kind is KindName.EMPLOYEE else table.c.ref
    status, now = bindparam("status", type_=Text), bindparam("now", type_=DateTime(timezone=True))
    # The data of a leaver is erased so long after it: a read that finds nothing new must not begin that time again.
    since = case((locked.c.before == status, func.coalesce(table.c.kota_status_at, now)), else_=now)
    return (
        update(table)
        .where(table.c.ref == locked.c.ref)
        .values(kota_status=status, kota_status_at=since)
        .returning(table.c.ref, locked.c.before, employer_ref.label("employer_ref"))
    )
