"""Finalize a report: what payroll has seen is what is frozen, and it is done once."""

from uuid import uuid4

import structlog

from app.contributions.looking import known_or_found, note, reader_of, stored
from app.contributions.reports import FINALIZED, ReportChanged
from app.errors import Conflict, KotaUnavailable, NotFound
from app.kota import KotaError, KotaNotFound, KotaRejected
from app.models import ContributionReport
from app.services import Services

log = structlog.get_logger(__name__)


class ReportBusy(Conflict):
    """Somebody else is reading or finalizing this report."""

    code = "report_busy"


class NotFinalized(Conflict):
    """Kota refuses to finalize this report."""

    code = "rejected_by_kota"


async def finalize(services: Services, report_id: str, *, digest: str) -> None:
    """Finalize the report at Kota if its lines, read just now, are those of `digest` (hex).

    A report that is final already with these lines is a success: asking twice does no harm. Kota takes no digest, so a
    line that it adds in the moment between our last look and its freeze cannot be refused, nor one that its lists do
    not show yet. What they show next is read and shown, and `ReportChanged` says that it differs; what is read once
    they have caught up is frozen.

    Raises:
        NotFound, ReportChanged, ReportBusy, NotFinalized.
        KotaUnavailable: if it could not be done, or nobody knows whether it was: look at the report, then ask again.
    """
    report = await _fresh(services, report_id)
    _require(report, digest)
    if report.status == FINALIZED:
        return
    failure: KotaError | None = None
    try:
        final = await services.kota.finalize_contribution_report(report_id, idempotency_key=str(uuid4()))
        await note(services, final)
    except KotaError as error:
        # Never repeated blindly, nor believed: perhaps it was finalized a moment ago, by a request whose answer was
        # lost. Its state tells.
        log.warning("contributions.finalize.unclear", report_id=report_id, error=type(error).__name__)
        failure = error
    report = await _afterwards(services, report_id, known=failure is None)
    if report.status != FINALIZED:
        trace_id = failure.trace_id if failure else None
        if isinstance(failure, KotaRejected):
            raise NotFinalized(kota_trace_id=trace_id) from failure
        raise KotaUnavailable(retry_after=5, kota_trace_id=trace_id) from failure
    log.info("contributions.report.finalized", report_id=report_id)
    _require(report, digest)


async def _fresh(services: Services, report_id: str) -> ContributionReport:
    """The report with its lines as Kota has them now, or as they were frozen."""
    try:
        known = await known_or_found(services, report_id)
        if known.report.frozen:
            return known.report
        if await reader_of(services).read_now(report_id) is None:
            raise ReportBusy(retry_after=5)
    except KotaNotFound:
        raise NotFound from None
    return (await stored(services, report_id)).report


async def _afterwards(services: Services, report_id: str, *, known: bool) -> ContributionReport:
    """The report once Kota was asked to finalize it; `known` if it answered, so that the state is stored already."""
    try:
        return await _fresh(services, report_id)
    except KotaError as error:
        # Right after the end Kota's lists still show the report as open, so that its lines cannot be read yet.
        log.warning("contributions.finalize.unread", report_id=report_id, error=type(error).__name__)
    if not known:
        await note(services, await services.kota.get_contribution_report(report_id))
    return (await stored(services, report_id)).report


def _require(report: ContributionReport, digest: str) -> None:
    if report.digest is None or report.digest.hex() != digest:
        raise ReportChanged("Look at the report again, and finalize with its new digest.")
