"""Reports, sums and lines as the host's backend sees them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from app.contributions.queries import FoundLine, FoundReport
from app.contributions.table import plain

Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
"""A JSON string, so that no parser on the way makes a float of it."""


class ReportOut(BaseModel):
    """A report. While it is `open`, Kota may change it."""

    id: str
    employer_ref: str | None
    external_customer_id: str | None
    period_from: date
    period_to: date
    status: str
    finalized_at: datetime | None
    frozen: bool
    """Final, and read when Kota's lists had caught up: its lines stay as they are. Pay from these."""
    lines: int
    digest: str | None = Field(examples=["9f86d081884c7d65"])
    read_at: datetime | None


class SumOut(BaseModel):
    """What lines of one kind add up to, in one currency, with Kota's signs."""

    payer: str
    category: str
    adjustment: bool
    currency: str
    amount: Amount
    lines: int


class ReportWithSums(ReportOut):
    """A report and its sums. `digest` stands for the lines that they were made of: finalizing asks for it."""

    sums: list[SumOut]


class ReportPage(BaseModel):
    """Reports, newest period first."""

    items: list[ReportOut]
    next_cursor: str | None


class LineOut(BaseModel):
    """One amount of one employee, as Kota wrote it."""

    id: str
    employee_ref: str | None
    kota_employee_id: str
    payer: str
    category: str
    member_type: str
    type: str
    amount: Amount
    currency: str
    adjustment: bool
    adjustment_for: str | None
    adjusts_report_id: str | None
    cover_from: date
    cover_to: date
    reporting_month: date
    policy_id: str | None
    note: str | None


class LinePage(BaseModel):
    """A report's lines, by employee. The same `digest` on all pages means that they belong together."""

    items: list[LineOut]
    next_cursor: str | None
    digest: str | None


class FinalizeIn(BaseModel):
    """The digest of the lines that somebody saw and agrees to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"digest": "9f86d0" + 58 * "0"}]})

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


def digest(found: FoundReport) -> str | None:
    """Of the lines that were last read; None before."""
    return found.report.digest.hex() if found.report.digest else None


def report_out(found: FoundReport) -> ReportOut:
    """A report as it is shown."""
    report = found.report
    return ReportOut(
        id=report.id,
        employer_ref=found.employer_ref,
        external_customer_id=report.external_customer_id,
        period_from=report.period_from,
        period_to=report.period_to,
        status=report.status,
        finalized_at=report.finalized_at,
        frozen=report.frozen,
        lines=report.lines,
        digest=digest(found),
        read_at=report.read_at,
    )


def line_out(found: FoundLine) -> LineOut:
    """A line as it is shown."""
    line = found.line
    return LineOut(
        id=line.id,
        employee_ref=found.employee_ref,
        kota_employee_id=line.kota_employee_id,
        payer=line.payer,
        category=line.category,
        member_type=line.member_type,
        type=line.type,
        amount=line.amount,
        currency=line.currency,
        adjustment=line.adjustment,
        adjustment_for=line.adjustment_for,
        adjusts_report_id=found.adjusts_report_id,
        cover_from=line.cover_from,
        cover_to=line.cover_to,
        reporting_month=line.reporting_month,
        policy_id=line.policy_id,
        note=line.note,
    )
