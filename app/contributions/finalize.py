"""Finalize a report: what payroll has seen is what is frozen, and it is done once."""

import asyncio
from uuid import uuid4

import structlog

from app.contributions.looking import PATIENCE, known_or_found, note, reader_of, stored
from app.contributions.reports import FINALIZED, ReportChanged, believed
from app.errors import Conflict, KotaUnavailable, NotFound
from app.kota import KotaError, KotaNotFound, KotaRejected
from app.models import ContributionReport
from app.services import Services

log = structlog.get_logger(__name__)

ASK_AGAIN = 0.5
"""Seconds between two tries to read a report that somebody else reads."""


class ReportBusy(Conflict):
    """Somebody else reads this report for long; it was not finalized."""

    code = "report_busy"


class NotFinalized(Conflict):
    """Kota refuses to finalize this report."""

    code = "rejected_by_kota"


async def finalize(services: Services, report_id: str, *, digest: str, patience: float = PATIENCE) -> None:
    """Finalize the report at Kota if its lines, read just now, are those of `digest` (hex).

    A report that is final already with these lines is a success: asking twice does no harm. Kota takes no digest, so a
    line that it adds in the moment between our last look and its freeze cannot be refused, nor one that its lists do
    not show yet. What they show next is read and shown, and `ReportChanged` says that it differs; what is read once
    they have caught up is frozen.

    Raises:
        NotFound, ReportChanged, NotFinalized.
        ReportBusy: if somebody else read the report for `patience` seconds, so that nothing was done.
        KotaUnavailable: if it could not be done, or nobody knows whether it was: look at the report, then ask again.
    """
    report = await _fresh(services, report_id, patience=patience)
    _require(report, digest)
    if report.status == FINALIZED:
        return
    failure: KotaError | None = None
    try:
        final = await services.kota.finalize_contribution_report(report_id, idempotency_key=str(uuid4()))
        await note(services, believed(final, report_id=report_id, employer_id=report.kota_employer_id))
    except KotaError as error:
        # Never repeated blindly, nor believed: perhaps it was finalized a moment ago, by a request whose answer was
        # lost. Its state tells.
        log.warning("contributions.finalize.unclear", report_id=report_id, error=type(error).__name__)
        failure = error
    report = await _afterwards(services, report, known=failure is None, patience=patience)
    if report.status != FINALIZED:
        trace_id = failure.trace_id if failure else None
        if isinstance(failure, KotaRejected):
            raise NotFinalized(kota_trace_id=trace_id) from failure
        raise KotaUnavailable(retry_after=5, kota_trace_id=trace_id) from failure
    log.info("contributions.report.finalized", report_id=report_id)
    _require(report, digest)


async def _fresh(services: Services, report_id: str, *, patience: float) -> ContributionReport:
    """The report with its lines as Kota has them now, or as they were frozen.

    Read here, also if it has to wait for others: what they read may have begun long ago.
    """
    until = asyncio.get_running_loop().time() + patience
    try:
        while True:
            known = await known_or_found(services, report_id)
            if known.report.frozen:
                return known.report
            if await reader_of(services).read_now(report_id) is not None:
                return (await stored(services, report_id)).report
            if asyncio.get_running_loop().time() >= until:
                raise ReportBusy(retry_after=5)
            await asyncio.sleep(ASK_AGAIN)
    except KotaNotFound:
        raise NotFound from None


async def _afterwards(
    services: Services, before: ContributionReport, *, known: bool, patience: float
) -> ContributionReport:
    """The report once Kota was asked to finalize it; `known` if it answered, so that the state is stored already."""
    try:
        return await _fresh(services, before.id, patience=patience)
    except (ReportBusy, KotaError) as error:
        # A worker that heard of the end may be reading it. And right after the end Kota's lists still show the report
        # as open, so that its lines cannot be read yet.
        log.warning("contributions.finalize.unread", report_id=before.id, error=type(error).__name__)
    if not known:
        alone = await services.kota.get_contribution_report(before.id)
        await note(services, believed(alone, report_id=before.id, employer_id=before.kota_employer_id))
    return (await stored(services, before.id)).report


def _require(report: ContributionReport, digest: str) -> None:
    if report.digest is None or report.digest.hex() != digest:
        raise ReportChanged("Look at the report again, and finalize with its new digest.")
