"""A record's state at Kota, written down and told to the host in one transaction, by whoever learns of it first."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.outbox.messages import MessageType, tell_host
from app.queue.dirty import read_anew
from app.sync.at_kota import KotaRecord
from app.sync.kinds import KindName
from app.sync.status import StatusChange, record_status

_TOLD = {
    KindName.EMPLOYER: MessageType.EMPLOYER_STATUS_CHANGED,
    KindName.EMPLOYEE: MessageType.EMPLOYEE_STATUS_CHANGED,
}


async def project_status(session: AsyncSession, kind: str, found: KotaRecord, *, now: datetime) -> None:
    """Write down the state in `found`, and have the host told if it is another than before."""
    change = await record_status(session, kind, found, now)
    if change is not None and change.changed:
        await _tell(session, change, now=now)


async def learn_status(session: AsyncSession, kind: str, found: KotaRecord, *, now: datetime) -> None:
    """The same with Kota's answer to a call of ours; then have the record read, by nobody who began before that."""
    await project_status(session, kind, found, now=now)
    await read_anew(session, kind, found.id)


async def _tell(session: AsyncSession, change: StatusChange, *, now: datetime) -> None:
    await tell_host(
        session,
        _TOLD[change.kind],
        object=f"{change.kind.value}_status/{change.ref}",
        content={
            "ref": change.ref,
            "employer_ref": change.employer_ref,
            "kota_status": change.after,
            "kota_status_before": change.before,
            "kota_status_at": now.isoformat(),
        },
    )
