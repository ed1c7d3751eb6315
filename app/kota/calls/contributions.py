"""Contribution reports and their breakdowns by employee."""

from collections.abc import AsyncIterator, Sequence

from app.kota.caller import Calls, parsed
from app.kota.connection import Request, query_of
from app.kota.errors import KotaUnreadable
from app.kota.schemas.contributions import ContributionReport, EmployeeBreakdown

_REPORTS = "/contribution_reports"
_REPORT = "/contribution_reports/{contribution_report_id}"
_BREAKDOWNS = f"{_REPORT}/employee_breakdowns"


class ContributionCalls(Calls):
    def list_contribution_reports(
        self,
        *,
        employer_id: str | None = None,
        external_customer_id: str | None = None,
        year: int | None = None,
        month: int | None = None,
        statuses: Sequence[str] = (),
    ) -> AsyncIterator[ContributionReport]:
        """Reports, newest first. `month` (1 to 12) counts only with a `year`."""
        query = query_of(
            employer_id=employer_id,
            external_customer_id=external_customer_id,
            year=year,
            month=month,
            status=statuses,
        )
        return self._list(ContributionReport, _REPORTS, query)

    async def get_contribution_report(self, report_id: str) -> ContributionReport:
        return await self._get(ContributionReport, _REPORT, contribution_report_id=report_id)

    async def breakdowns(self, report_id: str) -> AsyncIterator[EmployeeBreakdown]:
        """Every breakdown of one report, once, with no more than a page in memory.

        A report that is open can change between two pages, and payroll pays from it: whoever reads has to throw away
        what came before an error.

        Raises:
            KotaUnreadable: if an employee came twice with different lines, or fewer came than Kota counts.
        """
        operation = f"GET {_BREAKDOWNS}"
        seen: dict[str, int] = {}
        async for page in self._caller.pages(_BREAKDOWNS, {"contribution_report_id": report_id}):
            for item in page.items:
                breakdown = parsed(EmployeeBreakdown, item, operation=operation)
                content = hash(breakdown.model_dump_json())
                if breakdown.employee_id not in seen:
                    seen[breakdown.employee_id] = content
                    yield breakdown
                elif seen[breakdown.employee_id] != content:
                    raise KotaUnreadable(operation, "changed while it was read")
            if page.total is not None and not page.more and len(seen) < page.total:
                raise KotaUnreadable(operation, "changed while it was read")

    async def finalize_contribution_report(self, report_id: str, *, idempotency_key: str) -> ContributionReport:
        """Freeze a report for good. After an unknown outcome read its status before calling again."""
        ids = {"contribution_report_id": report_id}
        request = Request("POST", f"{_REPORT}/finalize", ids, idempotency_key=idempotency_key)
        return await self._write(ContributionReport, request)
