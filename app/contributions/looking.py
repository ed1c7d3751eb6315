"""A look at Kota before an answer: whoever asks for an open report wants to know how it is now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.contributions.listing import record_listed
from app.contributions.queries import Filter, FoundReport, find_report
from app.contributions.reading import Reader, ReadingRules
from app.contributions.reports import believed, record_report
from app.errors import NotFound, Unavailable
from app.kota import ContributionReport as KotaReport
from app.kota import KotaError, KotaNotFound
from app.models import Employer
from app.queue.backoff import Backoff
from app.services import Services

PATIENCE = 20
"""Seconds to wait for a reading by somebody else."""
GLANCE = 5
"""Seconds that a list may wait for Kota's."""

log = structlog.get_logger(__name__)


def reader_of(services: Services) -> Reader:
    """Reads reports by the rules of the settings."""
    settings = services.settings
    rules = ReadingRules(
        lease=settings.report_lease,
        refresh=settings.report_refresh,
        backoff=Backoff(settings.event_retry_first, settings.event_retry_longest),
    )
    return Reader(services.sessions, services.kota, keyring=services.keyring, rules=rules)


async def look(services: Services, wanted: Filter, *, within: float | None = None) -> None:
    """Write down what Kota lists of these reports, as far as it can be asked and answers within so many seconds.

    What does not come in time is the oldest of it. The worker looks through all of it now and then.
    """
    employer_id = None
    if wanted.employer_ref is not None:
        async with services.sessions.begin() as session:
            employer = await session.get(Employer, wanted.employer_ref)
        employer_id = employer.kota_id if employer else None
        if employer_id is None:
            return
    # In any status: one that has another by now would be left out, and be shown here as it was.
    listed = services.kota.list_contribution_reports(
        employer_id=employer_id,
        external_customer_id=wanted.external_customer_id,
        year=wanted.year,
        month=wanted.month,
    )
    try:
        if not await record_listed(services.sessions, listed, within=within):
            log.warning("contributions.list.unfinished", seconds=within)
    except KotaError as error:
        log.warning("contributions.list.stale", error=type(error).__name__)


@asynccontextmanager
async def snapshot(services: Services, report_id: str) -> AsyncIterator[tuple[AsyncSession, FoundReport]]:
    """A session that sees the report and its lines as they were at one moment; raises NotFound.

    A reading that ends meanwhile takes the lines of the one before away.
    """
    async with services.sessions.begin() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        found = await find_report(session, report_id)
        if found is None:
            raise NotFound
        yield session, found


async def known_or_found(services: Services, report_id: str) -> FoundReport:
    """The report as it was last read, or what Kota says of one that is new here. Raises NotFound and KotaError."""
    async with services.sessions.begin() as session:
        known = await find_report(session, report_id)
    if known is not None:
        return known
    try:
        found = await services.kota.get_contribution_report(report_id)
    except KotaNotFound:
        raise NotFound from None
    await note(services, believed(found, report_id=report_id, employer_id=None))
    return await stored(services, report_id)


async def note(services: Services, found: KotaReport) -> None:
    """Write down what Kota says of one report."""
    async with services.sessions.begin() as session:
        await record_report(session, found)


async def bring_up_to_date(services: Services, report_id: str) -> None:
    """Have the lines that Kota has now; those that were last read stay if Kota cannot be asked.

    Raises NotFound, and KotaError or Unavailable for a report that was never read.
    """
    known = await known_or_found(services, report_id)
    try:
        if not known.report.frozen and await reader_of(services).read_now(report_id) is None:
            await _others_reading(services, known)
    except KotaError:
        if known.report.reading is None:
            raise
        log.warning("contributions.report.stale", report_id=report_id)


async def _others_reading(services: Services, before: FoundReport) -> None:
    """Wait for somebody who reads the report now; raises Unavailable for one that was never read, if it takes long."""
    for _ in range(PATIENCE):
        now = (await stored(services, before.report.id)).report
        if now.reading != before.report.reading or now.lease_token is None:
            return
        await asyncio.sleep(1)
    if before.report.reading is None:
        raise Unavailable("The report is being read for the first time.", retry_after=5)


async def stored(services: Services, report_id: str) -> FoundReport:
    """The report as it was last read; raises NotFound."""
    async with snapshot(services, report_id) as (_, found):
        return found
