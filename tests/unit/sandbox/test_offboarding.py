from typing import Any

from tests.kota_bodies import employee_body
from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient
from tests.unit.sandbox.test_employees import in_days, status_of

DAY = 86_400.0


async def active_employee(sandbox: SandboxClient, **given: Any) -> dict[str, Any]:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"], **given)
    await sandbox.advance(10)
    return employee


async def offboard(sandbox: SandboxClient, employee: dict[str, Any], day: str) -> dict[str, Any]:
    body = {"offboard_on": f"{day}T00:00:00Z", "offboard_reason": "left"}
    return await sandbox.created(f"/employees/{employee['id']}/offboard", body)


async def seeded(sandbox: SandboxClient, kind: str, **given: Any) -> str:
    return str((await sandbox.created("/_control/seed", {"kind": kind, "object": given}))["id"])


async def types(sandbox: SandboxClient) -> list[str]:
    events = await sandbox.read("/events", version="v2", order_direction="asc", page_size=100)
    return [event["type"] for event in events["items"]]


async def test_an_employee_is_offboarding_until_the_day_and_inactive_from_then_on(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    offboarding = await offboard(sandbox, employee, in_days(2))
    assert (offboarding["status"], offboarding["offboard_on"]) == ("offboarding", f"{in_days(2)}T00:00:00Z")
    assert "employee.offboarded" not in await types(sandbox)
    await sandbox.advance(2 * DAY)
    assert await status_of(sandbox, employee) == "inactive"
    assert (await types(sandbox))[-1] == "employee.offboarded"


async def test_somebody_who_left_already_is_inactive_in_a_moment(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    assert (await offboard(sandbox, employee, in_days(-3)))["status"] == "offboarding"
    await sandbox.advance(1.1)
    assert await status_of(sandbox, employee) == "inactive"


async def test_leaving_cancels_policies_and_ends_enrolments(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    policy_id = await seeded(sandbox, "policy", employee_id=employee["id"])
    older_id = await seeded(sandbox, "employee_policy", employee_id=employee["id"])
    expired_id = await seeded(sandbox, "policy", employee_id=employee["id"], status="expired")
    intent_id = await seeded(sandbox, "enrolment_intent", employee_id=employee["id"])
    await offboard(sandbox, employee, in_days(0))
    await sandbox.advance(1.1)
    policy = await sandbox.read(f"/policies/{policy_id}")
    assert (policy["status"], policy["cancellation_date"]) == ("cancelled", in_days(0))
    older = await sandbox.read(f"/employees/{employee['id']}/health_insurance/policies/{older_id}")
    assert older["status"] == "cancelled"
    assert (await sandbox.read(f"/policies/{expired_id}"))["status"] == "expired"
    assert (await sandbox.read(f"/enrolment_intents/{intent_id}"))["status"] == "not_undertaken"
    assert (await sandbox.read("/policies", employee_id=employee["id"]))["items"] == []
    assert set(await types(sandbox)) >= {
        "policy.cancelled",
        "employee.health_insurance.policy.cancelled",
        "enrolment_intent.not_undertaken",
    }


async def test_no_day_further_back_than_thirty_days_where_there_are_policies(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    await seeded(sandbox, "policy", employee_id=employee["id"])
    body = {"offboard_on": f"{in_days(-31)}T00:00:00Z", "offboard_reason": "left"}
    answer = await sandbox.post(f"/employees/{employee['id']}/offboard", json=body)
    assert list(answer.json()["errors"]) == ["$.offboard_on"]
    uncovered = await sandbox.new_employee(employee["employer_id"])
    await offboard(sandbox, uncovered, in_days(-31))


async def test_a_plain_date_and_a_second_offboarding_are_refused(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    path = f"/employees/{employee['id']}/offboard"
    answer = await sandbox.post(path, json={"offboard_on": in_days(1), "offboard_reason": "left"})
    assert list(answer.json()["errors"]) == ["$.offboard_on"]
    await offboard(sandbox, employee, in_days(1))
    body = {"offboard_on": f"{in_days(1)}T00:00:00Z", "offboard_reason": "left"}
    assert (await sandbox.post(path, json=body)).json()["error_code"] == "invalid_state"


async def test_an_offboarding_can_be_cancelled_until_the_day_before(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    path = f"/employees/{employee['id']}/offboard/cancel"
    assert (await sandbox.post(path)).json()["error_code"] == "invalid_state"
    await offboard(sandbox, employee, in_days(1))
    cancelled = await sandbox.post(path)
    assert (cancelled.json()["status"], cancelled.json()["offboard_on"]) == ("active", None)
    await sandbox.advance(2 * DAY)
    assert await status_of(sandbox, employee) == "active"
    await offboard(sandbox, employee, in_days(2))
    assert (await sandbox.post(path)).json()["error_code"] == "invalid_state"


async def test_somebody_who_was_pending_is_pending_again_after_a_cancellation(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox, earliest_benefits_start_date=in_days(5))
    await offboard(sandbox, employee, in_days(9))
    cancelled = await sandbox.post(f"/employees/{employee['id']}/offboard/cancel")
    assert cancelled.json()["status"] == "pending"
    await sandbox.advance(6 * DAY)
    assert await status_of(sandbox, employee) == "active"


async def test_an_employer_leaves_at_once_with_everybody_and_for_good(sandbox: SandboxClient) -> None:
    employee = await active_employee(sandbox)
    policy_id = await seeded(sandbox, "policy", employee_id=employee["id"])
    leaving = await sandbox.new_employee(employee["employer_id"])
    await offboard(sandbox, leaving, in_days(9))
    path = f"/employers/{employee['employer_id']}"
    assert (await sandbox.post(f"{path}/offboard")).json()["status"] == "inactive"
    assert await status_of(sandbox, employee) == await status_of(sandbox, leaving) == "inactive"
    assert (await sandbox.read(f"/policies/{policy_id}"))["status"] == "cancelled"
    assert (await sandbox.read("/group_policies", employer_id=employee["employer_id"]))["items"] == []
    assert set(await types(sandbox)) >= {"employer.offboarded", "employee.offboarded", "group_policy.cancelled"}
    assert (await sandbox.post(f"/employees/{leaving['id']}/offboard/cancel")).status_code == 400
    assert (await sandbox.post(f"{path}/offboard")).json()["error_code"] == "invalid_state"
    answer = await sandbox.post("/employees", json=employee_body(employee["employer_id"]))
    assert answer.json()["error_code"] == "invalid_state"


async def test_dates_cannot_be_moved_where_there_is_an_offer(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True)
    employee = await active_employee(sandbox, start_on=in_days(9))
    await seeded(sandbox, "offer", employee_id=employee["id"])
    answer = await sandbox.put(f"/employees/{employee['id']}", json={"start_on": in_days(8)})
    assert answer.json()["error_code"] == "invalid_state"


async def test_an_employers_start_cannot_be_moved_where_there_is_a_quote(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    path = f"/employers/{employer['id']}"
    change = {"earliest_benefits_start_date": in_days(9)}
    assert (await sandbox.put(path, json=change)).status_code == 200
    await seeded(sandbox, "quote", employer_id=employer["id"])
    assert (await sandbox.put(path, json=change)).status_code == 200
    answer = await sandbox.put(path, json={"earliest_benefits_start_date": in_days(10)})
    assert answer.json()["error_code"] == "invalid_state"
