"""Erase what is held of a person who has left. A tombstone stays: reference, Kota's id, status.

It keeps a late feed from hiring the person again, and an auditor from wondering. What Kota holds is Kota's; this is
about our copy.
"""

from datetime import timedelta

import structlog
from sqlalchemy import ARRAY, Text, any_, false, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.db.faults import DATABASE_ERRORS, concerns_one
from app.errors import Conflict, NotFound, SyncInFlight
from app.models import Employee, KotaEvent, Offboarding
from app.models.employee import ERASED_DIGEST, IS_TOMBSTONE
from app.models.kota_event import locked_in_order
from app.privacy.holdings import events_of
from app.privacy.notifications import erase_notifications, stop_polls
from app.privacy.sessions import erase_sessions
from app.queue.reports import report

log = structlog.get_logger(__name__)

INACTIVE = "inactive"
BATCH = 100
ERASE_LEAVERS = "erase leavers"
"""The periodic task."""


class UnknownEmployee(NotFound):
    """There is no such employee."""

    code = "unknown_employee"


class StillCovered(Conflict):
    """Kota does not show this person as inactive, so their data is still needed."""

    code = "not_inactive"


async def erase_employee(session: AsyncSession, ref: str, *, keyring: Keyring) -> None:
    """Doing it again changes nothing. UnknownEmployee, StillCovered or SyncInFlight if it cannot be."""
    kota_id = await _kota_id(session, ref)
    # Before the record: whoever ends a read, routes or replays locks events first as well.
    events = (await session.scalars(select(locked_in_order(events_of(kota_id)).c.id))).all()
    await _lock(session, ref)
    await session.execute(
        update(Employee)
        .where(Employee.ref == ref)
        .values(
            desired={},
            desired_digest=ERASED_DIGEST,
            synced=None,
            push_key=None,
            push_body=None,
            error_fields=None,
            next_attempt_at=None,
        )
    )
    # The events stay, as the record that they came; of what they said nothing does.
    locked = KotaEvent.id == any_(literal(events, ARRAY(Text)))
    await session.execute(update(KotaEvent).where(locked).values(body=keyring.encrypt(b"{}")))
    asking = await erase_notifications(session, kota_id)
    theirs = (Offboarding.kind == "employee") & (Offboarding.ref == ref)
    await session.execute(update(Offboarding).where(theirs).values(body=None))
    await erase_sessions(session, ref, keyring=keyring)
    # After the rest, as the end of a read does.
    await stop_polls(session, kota_id, asking)
    log.info("privacy.employee.erased", employee_ref=ref)


async def _kota_id(session: AsyncSession, ref: str) -> str:
    """Once there is one, it never changes."""
    found = (await session.execute(select(Employee.kota_id).where(Employee.ref == ref))).one_or_none()
    if found is None:
        raise UnknownEmployee
    if found.kota_id is None:
        raise StillCovered
    return str(found.kota_id)


async def _lock(session: AsyncSession, ref: str) -> None:
    held = func.coalesce(Employee.lease_until > func.now(), false())
    record = select(Employee.kota_status, held.label("is_held")).where(Employee.ref == ref)
    row = (await session.execute(record.with_for_update())).one()
    if row.kota_status != INACTIVE:
        raise StillCovered
    if row.is_held:
        raise SyncInFlight(retry_after=5)


async def erase_leavers(sessions: Sessions, *, after: timedelta, keyring: Keyring) -> int:
    """Erase everybody whom Kota has shown as inactive for that long; how many there were. Each in a transaction.

    Who cannot be erased now is left for the next time. Raises what the database does where it is gone.
    """
    erased, last = 0, ""
    while refs := await _leavers(sessions, after=after, beyond=last):
        for ref in refs:
            erased += await _erase_leaver(sessions, ref, keyring=keyring)
        last = refs[-1]
    return erased


async def _erase_leaver(sessions: Sessions, ref: str, *, keyring: Keyring) -> bool:
    try:
        async with sessions.begin() as session:
            await erase_employee(session, ref, keyring=keyring)
    except Conflict as error:
        log.info("privacy.employee.kept", employee_ref=ref, code=error.code)
        return False
    except DATABASE_ERRORS as error:
        if not concerns_one(error):
            raise
        log.warning("privacy.employee.failed", employee_ref=ref)
        report("privacy.leavers.failed", error, name=ERASE_LEAVERS)
        return False
    return True


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
