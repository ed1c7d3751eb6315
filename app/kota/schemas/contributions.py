"""Contribution reports: what employer and employee pay, for payroll.

Amounts are exact decimals and keep Kota's sign, which is documented neither for adjustments nor for tax relief. A line
without an amount or a currency makes its answer unreadable.
"""

from decimal import Decimal

from app.kota.schemas.base import KotaModel
from app.kota.schemas.records import Identifier
from app.kota.times import Day, Instant


class Period(KotaModel):
    """Both days belong to it."""

    from_date: Day
    to_date: Day


class ContributionReport(KotaModel):
    """The report of one employer (and, for an employer of record, one customer) and period: `open` or `finalized`."""

    id: Identifier
    employer_id: Identifier
    external_customer_id: str | None = None
    period: Period
    status: str
    finalized_at: Instant | None = None
    created_at: Instant | None = None
    last_updated_at: Instant | None = None


class ContributionLine(KotaModel):
    """One amount, in the breakdown's currency. Which list it is in says who pays it.

    Of `reporting_month` year and month count; it may lie outside the report's period.
    """

    id: Identifier
    category: str
    member_type: str
    type: str
    amount: Decimal
    adjustment: bool
    adjustment_for: str | None = None
    note: str | None = None
    cover_period: Period
    reporting_month: Day
    policy_id: str | None = None
    employee_policy_id: str | None = None


class HealthContributions(KotaModel):
    employer_contributions: list[ContributionLine]
    employee_contributions: list[ContributionLine]


class EmployeeBreakdown(KotaModel):
    """What one employee's part of a report consists of. `status` is that of the report."""

    employee_id: Identifier
    contribution_report_id: Identifier
    employer_id: Identifier
    external_customer_id: str | None = None
    period: Period
    currency: str
    status: str | None = None
    finalized_at: Instant | None = None
    created_at: Instant | None = None
    last_updated_at: Instant | None = None
    health_insurance: HealthContributions | None
