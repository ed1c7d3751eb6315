"""What the host is told of reports."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.employer import Employer
from app.models.outbox_message import OutboxMessage
from app.outbox.messages import MessageType, tell_host

_REPORT = ("id", "employer_id", "external_customer_id", "period", "status", "finalized_at")


async def tell_report(session: AsyncSession, report_id: str, content: Mapping[str, Any]) -> None:
    """A contribution report is final; its lines are read from it, not told.

    Told once, however often it is read: a host may start its payroll on it.
    """
    object = f"contribution_report/{report_id}"
    told = (OutboxMessage.object == object) & (OutboxMessage.type == MessageType.REPORT_FINALIZED)
    if await session.scalar(select(exists().where(told))):
        return
    employer_ref = await session.scalar(select(Employer.ref).where(Employer.kota_id == content.get("employer_id")))
    report = {name: content.get(name) for name in _REPORT}
    await tell_host(
        session,
        MessageType.REPORT_FINALIZED,
        object=object,
        content={**report, "employer_ref": employer_ref},
    )
