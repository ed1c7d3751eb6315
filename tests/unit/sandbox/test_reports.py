import json
from decimal import Decimal
from typing import Any

from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient

PERIOD = {"from_date": "2026-03-01", "to_date": "2026-03-31"}


async def report_of(sandbox: SandboxClient, employer_id: str, **given: Any) -> str:
    seed = {"kind": "contribution_report", "object": {"employer_id": employer_id, "period": PERIOD, **given}}
    return str((await sandbox.created("/_control/seed", seed))["id"])


async def test_a_report_has_lines_for_everybody_in_several_categories(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    for _ in range(3):
        await sandbox.new_employee(employer["id"])
    report_id = await report_of(sandbox, employer["id"])
    answer = await sandbox.get(f"/contribution_reports/{report_id}/employee_breakdowns", params={"page_size": 2})
    page = json.loads(answer.content, parse_float=Decimal)
    assert (page["total_count"], page["page_size"]) == (3, 2)
    insurance = page["items"][0]["health_insurance"]
    lines = insurance["employer_contributions"] + insurance["employee_contributions"]
    assert {line["category"] for line in lines} == {"gross_premium", "tax", "tax_relief"}
    [adjustment] = [line for line in lines if line["adjustment"]]
    assert adjustment["amount"] == Decimal("-12.07")
    assert adjustment["adjustment_for"]
    assert adjustment["note"]
    assert adjustment["cover_period"]["to_date"] == "2026-02-28"


async def test_reports_are_found_by_period_employer_customer_and_status(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True, platform_type="employer_of_record")
    employer, other = await sandbox.new_employer(), await sandbox.new_employer()
    await sandbox.new_employee(employer["id"], external_customer_id="customer-1")
    await sandbox.new_employee(employer["id"], external_customer_id="customer-2")
    wanted = await report_of(sandbox, employer["id"], external_customer_id="customer-1")
    await report_of(sandbox, other["id"], status="finalized")
    for query in (
        {"employer_id": employer["id"]},
        {"external_customer_id": "customer-1"},
        {"status": "open"},
        {"employer_id": employer["id"], "year": 2026, "month": 3, "status": "open,finalized"},
    ):
        found = await sandbox.read("/contribution_reports", **query)
        assert [report["id"] for report in found["items"]] == [wanted]
    assert (await sandbox.read("/contribution_reports", year=2026))["total_count"] == 2
    assert (await sandbox.read("/contribution_reports", year=2026, month=4))["total_count"] == 0
    breakdowns = await sandbox.read(f"/contribution_reports/{wanted}/employee_breakdowns")
    assert [item["external_customer_id"] for item in breakdowns["items"]] == ["customer-1"]


async def test_a_report_is_finalized_once_with_its_breakdowns(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"])
    report_id = await report_of(sandbox, employer["id"])
    path = f"/contribution_reports/{report_id}"
    final = await sandbox.created(f"{path}/finalize", {})
    assert final["status"] == "finalized"
    breakdown = await sandbox.read(f"{path}/employee_breakdowns/{employee['id']}")
    assert (breakdown["status"], breakdown["finalized_at"]) == ("finalized", final["finalized_at"])
    assert (await sandbox.post(f"{path}/finalize")).json()["error_code"] == "invalid_state"
    event = (await sandbox.read("/events", version="v2"))["items"][0]
    assert (event["type"], event["data"]["id"]) == ("contribution_report.finalized", report_id)


async def test_lines_can_change_while_a_report_is_open(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"])
    report_id = await report_of(sandbox, employer["id"])
    lines: dict[str, list[Any]] = {"employer_contributions": [], "employee_contributions": []}
    seed = {"contribution_report_id": report_id, "employee_id": employee["id"], "health_insurance": lines}
    await sandbox.created("/_control/seed", {"kind": "employee_breakdown", "object": seed})
    breakdowns = await sandbox.read(f"/contribution_reports/{report_id}/employee_breakdowns")
    assert [item["health_insurance"] for item in breakdowns["items"]] == [lines]


async def test_a_breakdown_without_a_report_gets_one(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"])
    seed = {"kind": "employee_breakdown", "object": {"employee_id": employee["id"]}}
    await sandbox.created("/_control/seed", seed)
    state = await sandbox.read("/_control/state")
    assert len(state["contribution_report"]) == len(state["employee_breakdown"]) == 1
