from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.kota import ContributionReport, EmployeeBreakdown, KotaUnreadable
from tests.unit.kota.kota_double import Kota, client_of, ok, page

PERIOD = {"from_date": "2026-03-01", "to_date": "2026-03-31"}
REPORT = {"id": "ctr_1", "employer_id": "er_1", "period": PERIOD, "status": "open"}
LINE = {
    "id": "ct_1",
    "category": "tax_relief",
    "member_type": "policyholder",
    "type": "recurring",
    "amount": -12.5,
    "adjustment": False,
    "cover_period": PERIOD,
    "reporting_month": "2026-03-01",
}


def breakdown(employee_id: str, *lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "employee_id": employee_id,
        "contribution_report_id": "ctr_1",
        "employer_id": "er_1",
        "period": PERIOD,
        "currency": "eur",
        "status": "open",
        "health_insurance": {"employer_contributions": [], "employee_contributions": list(lines)},
        **changes,
    }


async def test_reports_are_found_by_period_and_customer() -> None:
    kota = Kota([page([REPORT])])
    listed = client_of(kota).list_contribution_reports(
        employer_id="er_1", external_customer_id="c", year=2026, month=3, statuses=["open"]
    )
    assert [report.id async for report in listed] == ["ctr_1"]
    assert dict(kota.last.url.params) == {
        "employer_id": "er_1",
        "external_customer_id": "c",
        "year": "2026",
        "month": "3",
        "status": "open",
        "page": "1",
        "page_size": "100",
    }


async def test_a_report_is_read_and_finalized() -> None:
    kota = Kota([ok(REPORT), ok({**REPORT, "status": "finalized", "finalized_at": "2026-04-01T08:00:00Z"})])
    client = client_of(kota)
    report = await client.get_contribution_report("ctr_1")
    assert (report.period.to_date, report.finalized_at) == (date(2026, 3, 31), None)
    final = await client.finalize_contribution_report("ctr_1", idempotency_key="k")
    assert isinstance(final, ContributionReport)
    assert final.finalized_at is not None
    assert (kota.last.method, kota.last.url.path) == ("POST", "/contribution_reports/ctr_1/finalize")
    assert kota.last.headers["idempotency-key"] == "k"


async def all_of(kota: Kota) -> list[EmployeeBreakdown]:
    return [one async for one in client_of(kota).breakdowns("ctr_1")]


async def test_amounts_are_exact_and_keep_their_sign() -> None:
    text = page([breakdown("ee_1", LINE)]).text.replace("-12.5", "-0.1000000000000000055511")
    kota = Kota([httpx.Response(200, content=text.encode())])
    [one] = await all_of(kota)
    assert one.health_insurance is not None
    assert one.health_insurance.employee_contributions[0].amount == Decimal("-0.1000000000000000055511")
    assert kota.last.url.path == "/contribution_reports/ctr_1/employee_breakdowns"


async def test_all_breakdowns_are_read() -> None:
    first = page([breakdown("ee_1", LINE), breakdown("ee_2")], more=True, total=3)
    kota = Kota([first, page([breakdown("ee_2"), breakdown("ee_3", health_insurance=None)], total=3, number=2)])
    found = await all_of(kota)
    assert [one.employee_id for one in found] == ["ee_1", "ee_2", "ee_3"]


async def test_breakdowns_that_change_while_they_are_read_are_not_mixed() -> None:
    kota = Kota([page([breakdown("ee_1")], more=True, total=2), page([breakdown("ee_1", LINE)], total=2, number=2)])
    with pytest.raises(KotaUnreadable, match="changed while it was read"):
        await all_of(kota)


async def test_a_breakdown_that_is_missing_is_noticed() -> None:
    with pytest.raises(KotaUnreadable, match="changed while it was read"):
        await all_of(Kota([page([breakdown("ee_1")], total=2)]))


async def test_breakdowns_that_are_not_counted_are_read() -> None:
    assert len(await all_of(Kota([ok({"items": [breakdown("ee_1")], "has_next_page": False})]))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        breakdown("ee_1", {**LINE, "amount": None}),
        breakdown("ee_1", {**LINE, "amount": "twelve"}),
        breakdown("ee_1", currency=None),
        breakdown("ee_1", health_insurance={"employer_contributions": []}),
        {name: value for name, value in breakdown("ee_1").items() if name != "health_insurance"},
    ],
)
async def test_what_payroll_needs_is_not_guessed(changed: dict[str, Any]) -> None:
    with pytest.raises(KotaUnreadable, match="no EmployeeBreakdown"):
        await all_of(Kota([page([changed])]))
