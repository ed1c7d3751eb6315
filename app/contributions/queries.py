"""What payroll asks for: reports, their sums and their lines. Nothing here calls Kota."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models import ContributionLine, ContributionReport, Employee, Employer


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reports; None is any. A month needs its year, as at Kota."""

    employer_ref: str | None = None
    external_customer_id: str | None = None
    status: str | None = None
    year: int | None = None
    month: int | None = None


@dataclass(frozen=True, slots=True)
class FoundReport:
    """A report and the host's reference of its employer, None for an employer that is not ours."""

    report: ContributionReport
    employer_ref: str | None


@dataclass(frozen=True, slots=True)
class Sum:
    """What lines of one kind add up to. Kota documents no signs for adjustments and tax relief, so none is changed."""

    payer: str
    category: str
    adjustment: bool
    currency: str
    amount: Decimal
    lines: int


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line, the host's reference of its employee, and the report of the line that it corrects, where known."""

    line: ContributionLine
    employee_ref: str | None
    adjusts_report_id: str | None


async def list_reports(
    session: AsyncSession, wanted: Filter, *, before: tuple[date, str] | None, limit: int
) -> list[FoundReport]:
    """Reports, newest period first, that come before the one whose period begins on that day, with that id."""
    statement = _reports().where(*_conditions(wanted))
    if before is not None:
        statement = statement.where(tuple_(ContributionReport.period_from, ContributionReport.id) < tuple_(*before))
    order = (ContributionReport.period_from.desc(), ContributionReport.id.desc())
    rows = await session.execute(statement.order_by(*order).limit(limit))
    return [FoundReport(report, ref) for report, ref in rows]


async def find_report(session: AsyncSession, report_id: str) -> FoundReport | None:
    """One report."""
    row = (await session.execute(_reports().where(ContributionReport.id == report_id))).first()
    return None if row is None else FoundReport(*row)


def _reports() -> Select[ContributionReport, str]:
    employer = Employer.kota_id == ContributionReport.kota_employer_id
    return select(ContributionReport, Employer.ref).outerjoin(Employer, employer)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.employer_ref is not None:
        conditions.append(Employer.ref == wanted.employer_ref)
    if wanted.external_customer_id is not None:
        conditions.append(ContributionReport.external_customer_id == wanted.external_customer_id)
    if wanted.status is not None:
        conditions.append(ContributionReport.status == wanted.status)
    if wanted.year is not None:
        first = date(wanted.year, wanted.month or 1, 1)
        last = date(wanted.year, wanted.month or 12, 1)
        conditions += [
            ContributionReport.period_from >= first,
            ContributionReport.period_from < _next_month(last),
        ]
    return conditions


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


async def sums_of(session: AsyncSession, report: ContributionReport) -> list[Sum]:
    """The report's sums, each of one currency."""
    line = ContributionLine
    kind = (line.payer, line.category, line.adjustment, line.currency)
    rows = await session.execute(
        select(*kind, func.sum(line.amount), func.count()).where(*_current(report)).group_by(*kind).order_by(*kind)
    )
    return [Sum(*row) for row in rows]


async def lines_of(
    session: AsyncSession, report: ContributionReport, *, after: tuple[str, str, str] | None, limit: int
) -> list[FoundLine]:
    """The report's lines by employee, from the one after that employee, payer and id on."""
    statement = _lines(report)
    if after is not None:
        statement = statement.where(tuple_(*_ORDER) > tuple_(*after))
    rows = await session.execute(statement.limit(limit))
    return [FoundLine(*row) for row in rows]


async def stream_lines(session: AsyncSession, report: ContributionReport) -> AsyncIterator[FoundLine]:
    """All of the report's lines, a few hundred in memory at a time."""
    result = await session.stream(_lines(report).execution_options(yield_per=500))
    async for row in result:
        yield FoundLine(*row)


_ORDER = (ContributionLine.kota_employee_id, ContributionLine.payer, ContributionLine.id)


def _current(report: ContributionReport) -> tuple[ColumnElement[bool], ...]:
    return (ContributionLine.report_id == report.id, ContributionLine.reading == report.reading)


def _lines(report: ContributionReport) -> Select[Any]:
    original, its_report = aliased(ContributionLine), aliased(ContributionReport)
    corrected = (
        select(original.report_id)
        .join(its_report, and_(its_report.id == original.report_id, its_report.reading == original.reading))
        .where(original.id == ContributionLine.adjustment_for)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(ContributionLine, Employee.ref, corrected)
        .outerjoin(Employee, Employee.kota_id == ContributionLine.kota_employee_id)
        .where(*_current(report))
        .order_by(*_ORDER)
    )
