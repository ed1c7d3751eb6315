"""What Kota says of a record's state, written down. For whoever reads Kota's copy; a push never does this."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kota import Employee as KotaEmployee
from app.kota import Employer as KotaEmployer
from app.models import Employee, Employer
from app.sync.kinds import KINDS, KindName, Record
from app.sync.looks import reference_of


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


async def record_status(
    session: AsyncSession, kind: str, found: KotaEmployer | KotaEmployee, now: datetime
) -> StatusChange | None:
    """Write down the state in `found`; None if it is nobody's that we know. Locks the record's row.

    Lock the row of the dirty resource after this, never before: pushes take them in this order.
    """
    name = KindName(kind)
    record = await _by_kota_id(session, name, found) or await _by_reference(session, name, found)
    if record is None:
        return None
    before = record.kota_status
    record.kota_status = found.status
    record.kota_status_at = now
    await session.flush()
    employer_ref = record.employer_ref if isinstance(record, Employee) else record.ref
    return StatusChange(kind=name, ref=record.ref, employer_ref=employer_ref, before=before, after=found.status)


async def _by_kota_id(session: AsyncSession, kind: KindName, found: KotaEmployer | KotaEmployee) -> Record | None:
    model = KINDS[kind].model
    statement = select(model).where(model.kota_id == found.id).with_for_update(key_share=True)
    record: Record | None = await session.scalar(statement)
    return record


async def _by_reference(session: AsyncSession, kind: KindName, found: KotaEmployer | KotaEmployee) -> Record | None:
    """A record whose create was not answered yet: its event may come first."""
    reference = reference_of(found)
    if reference is None:
        return None
    model = KINDS[kind].model
    statement = select(model).where(model.ref == reference, model.kota_id.is_(None)).with_for_update(key_share=True)
    record: Record | None = await session.scalar(statement)
    if isinstance(record, Employee):
        # A reference is unique here, but not at Kota: another employer's employee may carry the same.
        employer_id = await session.scalar(select(Employer.kota_id).where(Employer.ref == record.employer_ref))
        if not isinstance(found, KotaEmployee) or employer_id is None or found.employer_id != employer_id:
            return None
    return record
