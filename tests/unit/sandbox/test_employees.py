from datetime import UTC, datetime, timedelta

import pytest

from tests.kota_bodies import employee_body
from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


async def status_of(sandbox: SandboxClient, employee: dict[str, str]) -> str:
    return str((await sandbox.read(f"/employees/{employee['id']}"))["status"])


async def test_an_employee_becomes_active_only_after_the_employer(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    await sandbox.advance(0.9)
    employee = await sandbox.new_employee(employer["id"])
    await sandbox.advance(0.5)
    assert (await sandbox.read(f"/employers/{employer['id']}"))["status"] == "active"
    assert await status_of(sandbox, employee) == "pending"
    await sandbox.advance(1.1)
    assert await status_of(sandbox, employee) == "active"


async def test_an_employee_stays_pending_until_benefits_may_start(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"], earliest_benefits_start_date=in_days(2))
    await sandbox.advance(86_400)
    assert await status_of(sandbox, employee) == "pending"
    await sandbox.advance(86_400)
    assert await status_of(sandbox, employee) == "active"


async def test_an_earlier_start_of_benefits_brings_activation_forward(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"], earliest_benefits_start_date=in_days(30))
    await sandbox.advance(5)
    await sandbox.put(f"/employees/{employee['id']}", json={"earliest_benefits_start_date": in_days(-1)})
    await sandbox.advance(1.1)
    assert await status_of(sandbox, employee) == "active"


async def test_a_second_blind_post_makes_a_second_employee(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    first = await sandbox.new_employee(employer["id"])
    second = await sandbox.new_employee(employer["id"])
    assert first["id"] != second["id"]


async def test_the_account_number_is_never_shown_again_but_known_to_tests(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(
        employer["id"], bank_account={"account_number": "IE00 TEST 0000 0000 0012 34"}
    )
    assert employee["bank_account"] == {"account_number_last4": "2 34"}
    state = await sandbox.read("/_control/state", kind="employee")
    assert state["employee"][0]["bank_account"]["account_number"] == "IE00 TEST 0000 0000 0012 34"


async def test_numbers_are_stored_in_kotas_own_form(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox()
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(
        employer["id"],
        national_tax_id="0000000 x",
        phone_number="+353 (85) 000-0000",
        bank_account={"account_number": "ie00 test 0000 0000 0012 34"},
    )
    assert employee["national_tax_id"] == "0000000X"
    assert employee["phone_number"] == "+353850000000"
    assert employee["bank_account"] == {"account_number_last4": "1234"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"employer_id": "er_none"}, "$.employer_id"),
        ({"date_of_birth": "2999-01-01"}, "$.date_of_birth"),
        ({"date_of_birth": "1900-01-01"}, "$.date_of_birth"),
        ({"date_of_birth": "01/04/1990"}, "$.date_of_birth"),
        ({"sex_at_birth": "Female"}, "$.sex_at_birth"),
        ({"nationality": "IE"}, "$.nationality"),
        ({"phone_number": "085 000 0000"}, "$.phone_number"),
        ({"bank_account": {"account_number": "12345678"}}, "$.bank_account.account_number"),
        ({"start_on": "1899-01-01"}, "$.start_on"),
        ({"external_customer_id": "customer-1"}, "$.external_customer_id"),
        ({"id": "ee_mine"}, "$.id"),
    ],
)
async def test_a_wrong_body_is_refused_by_json_path(
    sandbox: SandboxClient, changes: dict[str, object], path: str
) -> None:
    employer = await sandbox.new_employer()
    answer = await sandbox.post("/employees", json={**employee_body(employer["id"]), **changes})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [path]


@pytest.mark.parametrize("name", ["employer_id", "external_customer_id", "date_of_birth", "sex_at_birth"])
async def test_what_never_changes_is_refused_in_an_update(sandbox: SandboxClient, name: str) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"])
    answer = await sandbox.put(f"/employees/{employee['id']}", json={name: employee[name]})
    assert list(answer.json()["errors"]) == [f"$.{name}"]


async def test_an_update_changes_what_it_names_and_nothing_else(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"])
    answer = await sandbox.put(f"/employees/{employee['id']}", json={"last_name": "Changed"})
    assert answer.json() == {**employee, "last_name": "Changed"}


async def test_only_a_start_in_the_future_can_be_moved(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    started = await sandbox.new_employee(employer["id"])
    answer = await sandbox.put(f"/employees/{started['id']}", json={"start_on": in_days(9)})
    assert answer.json()["error_code"] == "invalid_state"
    coming = await sandbox.new_employee(employer["id"], start_on=in_days(5))
    assert (await sandbox.put(f"/employees/{coming['id']}", json={"start_on": in_days(9)})).status_code == 200


async def test_the_metadata_filter_is_partial_and_ignores_case_and_accents(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    for host_id in ("Émile-12", "emile-312", "other"):
        await sandbox.new_employee(employer["id"], metadata={"id": host_id})
    await sandbox.new_employee(employer["id"], metadata={"other": "emile-12"})
    found = await sandbox.read("/employees", metadata_id="EMILE", employer_id=employer["id"])
    assert [item["metadata"]["id"] for item in found["items"]] == ["emile-312", "Émile-12"]
    assert (await sandbox.read("/employees", metadata_id="12"))["total_count"] == 2


async def test_filters_combine(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True, platform_type="employer_of_record")
    one, two = await sandbox.new_employer(), await sandbox.new_employer()
    wanted = await sandbox.new_employee(one["id"], external_customer_id="customer-1")
    await sandbox.new_employee(one["id"], external_customer_id="customer-2")
    await sandbox.new_employee(two["id"], external_customer_id="customer-1")
    found = await sandbox.read("/employees", employer_id=one["id"], external_customer_id="customer-1", filter="pending")
    assert [item["id"] for item in found["items"]] == [wanted["id"]]
    assert (await sandbox.read("/employees", filter="active,inactive"))["total_count"] == 0
    assert (await sandbox.get("/employees", params={"filter": "gone"})).status_code == 400
