"""A report as CSV (RFC 4180): one row a line, for a spreadsheet or a payroll import."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from app.contributions.queries import FoundLine, FoundReport

COLUMNS = (
    "report_id",
    "period_from",
    "period_to",
    "employer_ref",
    "external_customer_id",
    "employee_ref",
    "kota_employee_id",
    "payer",
    "category",
    "member_type",
    "type",
    "amount",
    "currency",
    "adjustment",
    "adjustment_for",
    "adjusts_report_id",
    "cover_from",
    "cover_to",
    "reporting_month",
    "policy_id",
    "line_id",
    "note",
)
"""The header, described in docs/contributions.md. Columns are only ever added at the end."""

# A spreadsheet runs a cell that starts like this, and skips white space before it; a quote makes it text.
_RUNS = re.compile(r"\s*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")


def row_of(report: FoundReport, found: FoundLine) -> list[str]:
    """The cells of one line, in the order of `COLUMNS`."""
    line = found.line
    values = (
        report.report.id,
        report.report.period_from,
        report.report.period_to,
        report.employer_ref,
        report.report.external_customer_id,
        found.employee_ref,
        line.kota_employee_id,
        line.payer,
        line.category,
        line.member_type,
        line.type,
        line.amount,
        line.currency,
        line.adjustment,
        line.adjustment_for,
        found.adjusts_report_id,
        line.cover_from,
        line.cover_to,
        line.reporting_month,
        line.policy_id,
        line.id,
        line.note,
    )
    return [cell(value) for value in values]


def cell(value: str | Decimal | date | bool | None) -> str:
    """One value as text. Amounts stay numbers, negative ones too; text that a spreadsheet would run is quoted."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return plain(value)
        case date():
            return value.isoformat()
        case _:
            return f"'{value}" if _RUNS.match(value) else value


def plain(amount: Decimal) -> str:
    """An amount with all of its digits, and never in scientific notation."""
    return f"{amount:f}"


def render(rows: Sequence[Sequence[str]]) -> str:
    """Rows as CSV, each ended by CRLF."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
