"""What the host is told of reports."""

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kota import ContributionReport as KotaReport
from app.models import Employer, OutboxMessage
from app.outbox.messages import MessageType, tell_host

_MEMBERS = {"id", "employer_id", "external_customer_id", "period", "status", "finalized_at"}


async def tell_report(session: AsyncSession, report: KotaReport) -> None:
    """A contribution report is final; its lines are read from it, not told.

    Told once: a host may start its payroll on it. And so not when Kota says "finalized", but when the lines are frozen
    from which the host may pay.
    """
    object = f"contribution_report/{report.id}"
    told = (OutboxMessage.object == object) & (OutboxMessage.type == MessageType.REPORT_FINALIZED)
    if await session.scalar(select(exists().where(told))):
        # By a version of this service that told it earlier.
        return
    employer_ref = await session.scalar(select(Employer.ref).where(Employer.kota_id == report.employer_id))
    content = report.model_dump(mode="json", include=_MEMBERS)
    await tell_host(
        session, MessageType.REPORT_FINALIZED, object=object, content={**content, "employer_ref": employer_ref}
    )
