from datetime import datetime
from typing import Any

import pytest

from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


async def people(sandbox: SandboxClient, **employee: Any) -> tuple[str, str]:
    employer = await sandbox.new_employer()
    return employer["id"], (await sandbox.new_employee(employer["id"], **employee))["id"]


async def test_sessions_are_for_an_employer_or_for_one_of_its_employees(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    for body in ({"employer_id": employer_id}, {"employer_id": employer_id, "employee_id": employee_id}):
        session = await sandbox.created("/embed/sessions", body)
        assert session["token"]
        assert datetime.fromisoformat(session["expiry"]).tzinfo
    first, second = [await sandbox.created("/embed/sessions", {"employer_id": employer_id}) for _ in range(2)]
    assert first["token"] != second["token"]


async def test_a_hosted_session_is_a_link(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    session = await sandbox.created("/hosted/sessions", {"employer_id": employer_id, "employee_id": employee_id})
    assert session["link"].startswith("http://127.0.0.1:8001/hosted/pages/")


@pytest.mark.parametrize("path", ["/embed/sessions", "/hosted/sessions"])
async def test_unknown_people_and_other_employers_employees_are_not_found(sandbox: SandboxClient, path: str) -> None:
    employer_id, employee_id = await people(sandbox)
    stranger_id, _ = await people(sandbox)
    for body in (
        {"employer_id": "er_none", "employee_id": employee_id},
        {"employer_id": employer_id, "employee_id": "ee_none"},
        {"employer_id": stranger_id, "employee_id": employee_id},
    ):
        assert (await sandbox.post(path, json=body)).status_code == 404


async def test_an_employer_of_record_has_to_name_the_customer(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True, platform_type="employer_of_record")
    employer_id, employee_id = await people(sandbox, external_customer_id="customer-1")
    answer = await sandbox.post("/embed/sessions", json={"employer_id": employer_id})
    assert list(answer.json()["errors"]) == ["$.external_customer_id"]
    employer = {"employer_id": employer_id, "external_customer_id": "customer-1"}
    await sandbox.created("/embed/sessions", employer)
    await sandbox.created("/embed/sessions", {**employer, "employee_id": employee_id})
    other = {"employer_id": employer_id, "employee_id": employee_id, "external_customer_id": "customer-2"}
    assert (await sandbox.post("/embed/sessions", json=other)).status_code == 404


async def test_other_platforms_have_no_customers(sandbox: SandboxClient) -> None:
    employer_id, _ = await people(sandbox)
    answer = await sandbox.post("/embed/sessions", json={"employer_id": employer_id, "external_customer_id": "c"})
    assert list(answer.json()["errors"]) == ["$.external_customer_id"]
