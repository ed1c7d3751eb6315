"""The status that Kota shows for a record. Written from what Kota answers to a read, never by a push."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kota import Employee as KotaEmployee
from app.kota import Employer as KotaEmployer
from app.models.employee import Employee
from app.models.employer import Employer


async def record_status(
    session: AsyncSession, kind: str, kota_object: KotaEmployer | KotaEmployee, now: datetime
) -> None:
    """Store the status of the record that `kota_object` is, by its Kota id or else the host's ref in its metadata."""
    model = Employer if kind == "employer" else Employee
    values = {"kota_status": kota_object.status, "kota_status_at": now}
    found = await session.execute(
        update(model).where(model.kota_id == kota_object.id).values(values).returning(model.ref)
    )
    if found.first() is None:
        ref = (kota_object.metadata or {}).get("id")
        await session.execute(update(model).where(model.ref == ref, model.kota_id.is_(None)).values(values))
