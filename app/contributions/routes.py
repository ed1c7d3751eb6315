"""`/internal/contribution-reports`: what payroll deducts and pays."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter
from starlette.responses import Response

from app.audit.trail import record
from app.auth.callers import ReportsCaller
from app.contributions.export import csv_of, file_name
from app.contributions.finalize import finalize
from app.contributions.looking import GLANCE, bring_up_to_date, look, snapshot, stored
from app.contributions.queries import (
    Filter,
    FoundReport,
    lines_of,
    list_reports,
    sums_of,
)
from app.contributions.views import (
    FinalizeIn,
    LinePage,
    ReportPage,
    ReportWithSums,
    SumOut,
    digest,
    line_out,
    report_out,
)
from app.errors import FieldError, InvalidInput
from app.services import Services
from app.web.dependencies import RequestIdDep, ServicesDep
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.refs import Ref
from app.web.routing import router as new_router
from app.web.times import Day

router = new_router(prefix="/internal/contribution-reports", tags=["contributions"])

ReportId = Annotated[
    str, Path(max_length=128, pattern=r"^[A-Za-z0-9_-]+$", description="Kota's id, `ctr_…`", examples=["ctr_1"])
]
Customer = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]+$")]
CSV = "text/csv; charset=utf-8"
_REPORT_KEY = TypeAdapter(tuple[Day, str])
_LINE_KEY = TypeAdapter(tuple[str, str, str])


async def get_filter(
    employer_ref: Annotated[Ref | None, Query()] = None,
    year: Annotated[int | None, Query(ge=2000, le=9998)] = None,
    month: Annotated[int | None, Query(ge=1, le=12, description="Only with `year`")] = None,
    status: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z_]+$", examples=["open"])] = None,
    external_customer: Customer = None,
) -> Filter:
    """Which reports are asked for."""
    if month is not None and year is None:
        raise InvalidInput(errors=[FieldError("/query/month", "needs a year")])
    return Filter(employer_ref, external_customer, status, year, month)


@router.get("", summary="List contribution reports, newest period first", responses=problems(401, 403, 422, 503))
async def get_reports(
    _caller: ReportsCaller, page: PageDep, services: ServicesDep, wanted: Annotated[Filter, Depends(get_filter)]
) -> ReportPage:
    """As Kota lists them now; as they were last read where Kota does not answer within five seconds."""
    before = page.key(_REPORT_KEY)
    if before is None:
        await look(services, wanted, within=GLANCE)
    async with services.sessions.begin() as session:
        found = await list_reports(session, wanted, before=before, limit=page.limit + 1)
    reports, cursor = page.cut(found, lambda one: (one.report.period_from, one.report.id))
    return ReportPage(items=[report_out(report) for report in reports], next_cursor=cursor)


@router.get(
    "/{report_id}", summary="Get a contribution report and its sums", responses=problems(401, 403, 404, 422, 503)
)
async def get_report(_caller: ReportsCaller, report_id: ReportId, services: ServicesDep) -> ReportWithSums:
    """With the lines that Kota has now; while Kota cannot be reached, as it was read at `read_at`."""
    await bring_up_to_date(services, report_id)
    return await _with_sums(services, report_id)


@router.get(
    "/{report_id}/breakdowns",
    summary="List a contribution report's lines",
    response_model=LinePage,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problems(401, 403, 404, 422, 503),
    },
)
async def get_breakdowns(
    _caller: ReportsCaller, report_id: ReportId, request: Request, page: PageDep, services: ServicesDep
) -> Any:
    """JSON in pages, or all lines as CSV for `Accept: text/csv`."""
    after = page.key(_LINE_KEY)
    if after is None:
        await bring_up_to_date(services, report_id)
    if "text/csv" in request.headers.get("accept", ""):
        return _csv(services, await stored(services, report_id))
    async with snapshot(services, report_id) as (session, found):
        one_more = await lines_of(session, found.report, after=after, limit=page.limit + 1)
    lines, cursor = page.cut(one_more, lambda one: (one.line.kota_employee_id, one.line.payer, one.line.id))
    return LinePage(items=[line_out(line) for line in lines], next_cursor=cursor, digest=digest(found))


@router.post(
    "/{report_id}/finalize",
    summary="Finalize a contribution report",
    responses=problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def post_finalize(
    caller: ReportsCaller,
    report_id: ReportId,
    body: FinalizeIn,
    services: ServicesDep,
    request_id: RequestIdDep,
) -> ReportWithSums:
    """There is no way back at Kota; later changes show up in the next period's report.

    It is `frozen` some seconds later, when Kota's lists have caught up: compare its `digest` then.
    """
    async with services.sessions.begin() as session:
        subject = f"contribution_report:{report_id}"
        await record(session, caller, action="contribution_report.finalize", subject=subject, request_id=request_id)
    await finalize(services, report_id, digest=body.digest)
    return await _with_sums(services, report_id)


async def _with_sums(services: Services, report_id: str) -> ReportWithSums:
    async with snapshot(services, report_id) as (session, found):
        sums = await sums_of(session, found.report)
    return ReportWithSums(
        **report_out(found).model_dump(), sums=[SumOut.model_validate(one, from_attributes=True) for one in sums]
    )


def _csv(services: Services, found: FoundReport) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(found)}"',
        "ETag": f'"{digest(found)}"',
    }
    return StreamingResponse(csv_of(services, found), media_type=CSV, headers=headers)
