"""Finalize a report: what payroll has seen is what is frozen, and it is done once."""

from uuid import uuid4

import structlog

from app.contributions.looking import known_or_found, reader_of, stored
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
    """Freeze the report at Kota if its lines, read just now, are those of `digest` (hex).

    A report that is final already with these lines is a success: asking twice does no harm. Kota takes no digest, so a
    line that it adds in the moment between our last look and its freeze cannot be refused; what was frozen is then
    read and shown, and `ReportChanged` says that it differs.

    Raises:
        NotFound, ReportChanged, ReportBusy, NotFinalized.
        KotaUnavailable: if it could not be done, or nobody knows whether it was: look at the report, then ask again.
    """
    report = await _fresh(services, report_id)
    _require(report, digest)
    if report.status == FINALIZED:
        return
    try:
        await services.kota.finalize_contribution_report(report_id, idempotency_key=str(uuid4()))
    except KotaRejected as error:
        # Perhaps it was finalized a moment ago, by a request whose answer was lost.
        if (await _fresh(services, report_id, confirmed=digest)).status != FINALIZED:
            raise NotFinalized(kota_trace_id=error.trace_id) from error
    except KotaError as error:
        # Never repeated blindly. Its state tells what happened.
        log.warning("contributions.finalize.unclear", report_id=report_id, error=type(error).__name__)
        if (await _fresh(services, report_id, confirmed=digest)).status != FINALIZED:
            raise KotaUnavailable(retry_after=5, kota_trace_id=error.trace_id) from error
    log.info("contributions.report.finalized", report_id=report_id)
    _require(await _fresh(services, report_id, confirmed=digest), digest)


async def _fresh(services: Services, report_id: str, *, confirmed: str | None = None) -> ContributionReport:
    """The report with its lines as Kota has them now, or as they were frozen."""
    try:
        known = await known_or_found(services, report_id)
        if known.report.frozen:
            return known.report
        if await reader_of(services).read_now(report_id, confirmed=confirmed) is None:
            raise ReportBusy(retry_after=5)
    except KotaNotFound:
        raise NotFound from None
    return (await stored(services, report_id)).report


def _require(report: ContributionReport, digest: str) -> None:
    if report.digest is None or report.digest.hex() != digest:
        raise ReportChanged("Look at the report again, and finalize with its new digest.")
