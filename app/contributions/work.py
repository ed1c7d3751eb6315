"""The background work of this room: read what is due, and find reports of which no event told."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.contributions.listing import record_listed
from app.contributions.reading import Reader
from app.contributions.reports import LANE, Held, hold_due
from app.db.engine import Sessions
from app.kota import KotaClient, KotaError
from app.models import ContributionReport
from app.queue import leases
from app.queue.lanes import Lane
from app.queue.periodic import Periodic

log = structlog.get_logger(__name__)


def contributions_lane(reader: Reader) -> Lane[Held]:
    """Reads reports that are due, two at a time: each is many calls, and people wait for others of Kota's slots."""

    async def claim(session: AsyncSession, limit: int) -> list[Held]:
        return await hold_due(session, limit=limit, lease=reader.rules.lease)

    async def work(held: Held) -> None:
        try:
            await reader.read(held)
        except KotaError:
            # Recorded on the report, which is due again later.
            return

    async def release(session: AsyncSession, held: Sequence[Held]) -> None:
        await leases.release(session, ContributionReport, [one.lease for one in held])

    return Lane(
        name=LANE,
        claim=claim,
        work=work,
        release=release,
        lease=reader.rules.lease,
        in_flight=2,
        batch=2,
        failed=reader.failed,
    )


def contributions_periodic(sessions: Sessions, kota: KotaClient, *, every: timedelta) -> Periodic:
    """Finds open reports: no event tells that one was opened (Kota's page "Events")."""

    async def discover() -> None:
        try:
            await record_listed(sessions, kota.list_contribution_reports(statuses=["open"]))
        except KotaError as error:
            log.warning("contributions.discovery.failed", error=type(error).__name__)

    return Periodic("contribution_reports", every=every, run=discover)
