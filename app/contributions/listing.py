"""Write down what Kota's list of reports says, a page at a time."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from app.contributions.reports import record_report
from app.db.engine import Sessions
from app.kota import ContributionReport as KotaReport
from app.kota import KotaError

PAGE = 100
"""Reports that are written together: as many as Kota lists at once."""


async def record_listed(sessions: Sessions, listed: AsyncIterator[KotaReport], *, within: float | None = None) -> bool:
    """Record what is listed, as far as it comes within so many seconds; whether that was all.

    Raises KotaError where the list breaks off; what came before is recorded.
    """
    until = None if within is None else asyncio.get_running_loop().time() + within
    page: list[KotaReport] = []
    while True:
        try:
            async with asyncio.timeout_at(until) as bound:
                report = await anext(listed, None)
        except TimeoutError:
            if not bound.expired():
                raise
            await _record(sessions, page)
            return False
        except KotaError:
            await _record(sessions, page)
            raise
        if report is not None:
            page.append(report)
        if report is None or len(page) >= PAGE:
            await _record(sessions, page)
            page = []
        if report is None:
            return True


async def _record(sessions: Sessions, page: Sequence[KotaReport]) -> None:
    async with sessions.begin() as session:
        # In order, since two who write the same reports would otherwise wait for each other.
        for report in sorted(page, key=lambda report: report.id):
            await record_report(session, report)
