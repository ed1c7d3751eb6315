"""Reports as CSV files."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path

from app.contributions.looking import bring_up_to_date, look, snapshot, stored
from app.contributions.queries import Filter, FoundReport, list_reports, stream_lines
from app.contributions.reports import ReportChanged
from app.contributions.table import COLUMNS, render, row_of
from app.services import Services, open_services
from app.settings import Settings

ROWS_AT_ONCE = 500
REPORTS_AT_ONCE = 200


def file_name(found: FoundReport) -> str:
    """A name that sorts by period."""
    return f"{found.report.period_from:%Y-%m}-{found.report.id}.csv"


async def csv_of(services: Services, found: FoundReport) -> AsyncIterator[str]:
    """The whole report, some hundred lines at a time.

    Raises ReportChanged, after the header, if `found` is not the current reading any more: whoever names its digest
    beside the lines would name another's.
    """
    yield render([COLUMNS])
    waiting: list[list[str]] = []
    async with snapshot(services, found.report.id) as (session, now):
        if now.report.reading != found.report.reading:
            raise ReportChanged
        async for line in stream_lines(session, found.report):
            waiting.append(row_of(found, line))
            if len(waiting) >= ROWS_AT_ONCE:
                yield render(waiting)
                waiting = []
    yield render(waiting)


async def export_reports(settings: Settings, wanted: Filter, folder: Path) -> list[Path]:
    """Write every report that fits into `folder`, each read from Kota just now; the files, newest period first."""
    async with AsyncExitStack() as stack:
        services = await open_services(stack, settings, application_name="kota-bff reports")
        await look(services, wanted)
        return [await _write(services, report_id, folder) for report_id in await ids_of(services, wanted)]


async def ids_of(services: Services, wanted: Filter) -> list[str]:
    """All reports that fit and are known here, newest period first."""
    ids: list[str] = []
    before: tuple[date, str] | None = None
    while True:
        async with services.sessions.begin() as session:
            found = await list_reports(session, wanted, before=before, limit=REPORTS_AT_ONCE)
        ids += [one.report.id for one in found]
        if len(found) < REPORTS_AT_ONCE:
            return ids
        before = (found[-1].report.period_from, found[-1].report.id)


async def _write(services: Services, report_id: str, folder: Path) -> Path:
    await bring_up_to_date(services, report_id)
    found = await stored(services, report_id)
    path = folder / file_name(found)
    # Nobody must find half a file under its name.
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        async for chunk in csv_of(services, found):
            file.write(chunk)
    return unfinished.replace(path)
