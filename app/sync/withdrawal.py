"""Forget a record again."""

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Employee
from app.sync.kinds import Kind
from app.sync.refusals import HasEmployees, UnknownRecord, UseOffboarding
from app.sync.texts import unread


async def withdraw(session: AsyncSession, kind: Kind, ref: str) -> None:
    """Forget a record that Kota cannot have. UnknownRecord, UseOffboarding or HasEmployees otherwise."""
    record = await session.get(kind.model, ref, with_for_update=True, options=unread(kind))
    if record is None:
        raise UnknownRecord
    if record.kota_id is not None or record.push_key is not None:
        raise UseOffboarding
    if not kind.has_employer and await session.scalar(select(exists().where(Employee.employer_ref == ref))):
        raise HasEmployees
    await session.delete(record)
