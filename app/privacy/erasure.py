"""Erase what is held of a person who has left. A tombstone stays: reference, Kota's id, status.

It keeps a late feed from hiring the person again, and an auditor from wondering. What Kota holds is Kota's; this is
about our copy.
"""

from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.errors import Conflict, NotFound, SyncInFlight
from app.models import Employee, KotaEvent, Notification, Offboarding, OutboxMessage, SessionGrant
from app.models.employee import ERASED_DIGEST, IS_TOMBSTONE
from app.models.kota_event import locked_in_order
from app.privacy.holdings import events_of

log = structlog.get_logger(__name__)

INACTIVE = "inactive"
NOBODY = "erased"
BATCH = 100


class UnknownEmployee(NotFound):
    """There is no such employee."""

    code = "unknown_employee"


class StillCovered(Conflict):
    """Kota does not show this person as inactive, so their data is still needed."""

    code = "not_inactive"


async def erase_employee(session: AsyncSession, ref: str, *, keyring: Keyring) -> None:
    """Doing it again changes nothing. UnknownEmployee, StillCovered or SyncInFlight if it cannot be."""
    employee = await session.get(Employee, ref, with_for_update=True)
    if employee is None:
        raise UnknownEmployee
    if employee.kota_status != INACTIVE or employee.kota_id is None:
        raise StillCovered
    if await session.scalar(select(Employee.lease_until > func.now()).where(Employee.ref == ref)):
        raise SyncInFlight(retry_after=5)
    employee.desired, employee.desired_digest, employee.synced = {}, ERASED_DIGEST, None
    employee.push_key = employee.push_body = employee.error_fields = None
    employee.next_attempt_at = None
    # The events stay, as the record that they came; of what they said nothing does.
    locked = locked_in_order(events_of(employee.kota_id))
    emptied = update(KotaEvent).where(KotaEvent.id == locked.c.id).values(body=keyring.encrypt(b"{}"))
    await session.execute(emptied.execution_options(synchronize_session=False))
    await _erase_notifications(session, employee.kota_id)
    theirs = (Offboarding.kind == "employee") & (Offboarding.ref == ref)
    await session.execute(update(Offboarding).where(theirs).values(body=None))
    await session.execute(update(SessionGrant).where(SessionGrant.employee_ref == ref).values(subject=NOBODY))
    await session.flush()
    log.info("privacy.employee.erased", employee_ref=ref)


async def _erase_notifications(session: AsyncSession, kota_id: str) -> None:
    theirs = Notification.kota_employee_id == kota_id
    messages = select(func.concat("notification/", Notification.id)).where(theirs)
    # Gone, and not emptied: a message without its content could be told again, and would say that there is nothing.
    # What was delivered goes as well, since nothing prunes it once its notification is gone.
    await session.execute(delete(OutboxMessage).where(OutboxMessage.object.in_(messages)))
    await session.execute(delete(Notification).where(theirs))


async def erase_leavers(sessions: Sessions, *, after: timedelta, keyring: Keyring) -> int:
    """Erase everybody whom Kota has shown as inactive for that long; how many there were. Each in a transaction."""
    erased, last = 0, ""
    while refs := await _leavers(sessions, after=after, beyond=last):
        for ref in refs:
            async with sessions.begin() as session:
                try:
                    await erase_employee(session, ref, keyring=keyring)
                    erased += 1
                except Conflict as error:
                    log.info("privacy.employee.kept", employee_ref=ref, code=error.code)
        last = refs[-1]
    return erased


async def _leavers(sessions: Sessions, *, after: timedelta, beyond: str) -> list[str]:
    async with sessions() as session:
        found = await session.scalars(
            select(Employee.ref)
            .where(
                Employee.kota_status == INACTIVE,
                Employee.kota_status_at < func.now() - after,
                ~IS_TOMBSTONE,
                Employee.ref > beyond,
            )
            .order_by(Employee.ref)
            .limit(BATCH)
        )
        return list(found)
