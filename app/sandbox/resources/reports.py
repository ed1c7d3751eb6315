"""Contribution reports: one per employer, or customer, and month, with lines for every employee."""

from calendar import monthrange
from datetime import date, timedelta

from app.sandbox.resources.kind import Kind, Maker, found
from app.sandbox.store import Json, Record, new_id


def _report(maker: Maker, given: Json) -> Json:
    employer = maker.employer(given)
    return {
        "object": "contribution_report",
        "employer_id": employer.id,
        "external_customer_id": given.get("external_customer_id"),
        "period": given.get("period") or _month(maker.world.clock.today()),
        "finalized_at": None,
        "created_at": maker.now(),
        "last_updated_at": maker.now(),
    }


def _month(day: date) -> Json:
    last = monthrange(day.year, day.month)[1]
    return {"from_date": day.replace(day=1).isoformat(), "to_date": day.replace(day=last).isoformat()}


def _open(_maker: Maker, _body: Json) -> Json:
    return {"finalized_at": None}


def _finalized(maker: Maker, _body: Json) -> Json:
    return {"finalized_at": maker.now(), "last_updated_at": maker.now()}


def _add_breakdowns(maker: Maker, report: Record) -> None:
    """One for each of the employer's people, or of the customer's."""
    customer = report.body["external_customer_id"]
    for employee in maker.world.store.related("employee", "employer_id", report.body["employer_id"]):
        if customer is None or employee.body["external_customer_id"] == customer:
            maker.create("employee_breakdown", {"contribution_report_id": report.id, "employee_id": employee.id})


def _take_along(maker: Maker, report: Record) -> None:
    """Breakdowns have the status of their report."""
    shared = {name: report.body[name] for name in ("status", "finalized_at")}
    for breakdown in maker.world.store.related("employee_breakdown", "contribution_report_id", report.id):
        maker.world.store.update(breakdown, {**breakdown.body, **shared})


def breakdown_id(report_id: str, employee_id: str) -> str:
    return f"{report_id}/{employee_id}"


def breakdown_parents(maker: Maker, given: Json) -> Json:
    """The report and the employee of a breakdown, which together are its id."""
    employee = maker.employee(given)
    report = maker.parent("contribution_report", given, by="employer_id", value=employee.body["employer_id"])
    return {"contribution_report_id": report.id, "employee_id": employee.id}


def _breakdown(maker: Maker, given: Json) -> Json:
    report = found(maker.world, "contribution_report", given["contribution_report_id"])
    period = report.body["period"]
    return {
        "record_id": breakdown_id(report.id, given["employee_id"]),
        "object": "contribution_report_employee_breakdown",
        "employee_id": given["employee_id"],
        "contribution_report_id": report.id,
        "employer_id": report.body["employer_id"],
        "external_customer_id": report.body["external_customer_id"],
        "period": period,
        "currency": "eur",
        "status": report.body["status"],
        "finalized_at": report.body["finalized_at"],
        "created_at": maker.now(),
        "last_updated_at": maker.now(),
        "health_insurance": _lines(period),
    }


def _lines(period: Json) -> Json:
    """Several categories and members, and an adjustment of an earlier month that takes something back."""
    policies = {"policy_id": new_id("p"), "employee_policy_id": new_id("eehp")}
    earlier = _month(date.fromisoformat(period["from_date"]) - timedelta(days=1))

    def line(category: str, amount: float, *, member_type: str = "policyholder") -> Json:
        return {
            "id": new_id("ct"),
            "category": category,
            "member_type": member_type,
            "adjustment": False,
            "adjustment_for": None,
            "amount": amount,
            "type": "recurring",
            "note": None,
            "cover_period": period,
            **policies,
            "reporting_month": period["from_date"],
        }

    premium = line("gross_premium", 80.4)
    taken_back = {
        **line("gross_premium", -12.07),
        "adjustment": True,
        "adjustment_for": new_id("ct"),
        "type": "one_off",
        "note": "Pro-rated: cover started on the 10th.",
        "cover_period": earlier,
    }
    return {
        "employer_contributions": [premium, line("tax", 1.61), taken_back],
        "employee_contributions": [
            line("gross_premium", 20.1),
            line("gross_premium", 33.33, member_type="child_dependant"),
            line("tax_relief", -10.69),
        ],
    }


CONTRIBUTION_REPORT = Kind(
    "contribution_report",
    "ctr",
    _report,
    {"open": _open, "finalized": _finalized},
    first="open",
    after=_add_breakdowns,
    moved=_take_along,
)
EMPLOYEE_BREAKDOWN = Kind("employee_breakdown", "", _breakdown, {})
