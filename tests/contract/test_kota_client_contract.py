"""The client against Kota's published OpenAPI: what it asks is described there, and what is described it can read."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from app import kota
from app.kota import KotaClient, serialise
from app.kota.schemas import benefits, contributions, records
from app.kota.schemas.base import KotaModel
from tests.contract.examples import Kind
from tests.contract.judged_kota import JudgedKota
from tests.contract.kota_openapi import KotaOpenAPI
from tests.kota_bodies import employee_body, employer_body

KEY = "0b8f1a52-7a4e-4f0e-9f43-0a4b6d1c2e3f"
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
OFFBOARDING = serialise({"offboard_on": "2026-03-31T00:00:00Z", "offboard_reason": "left"})

Call = Callable[[KotaClient], Awaitable[Any] | AsyncIterator[Any]]

CALLS: dict[str, Call] = {
    "create_employer": lambda c: c.create_employer(serialise(employer_body()), idempotency_key=KEY),
    "update_employer": lambda c: c.update_employer("er_1", serialise({"legal_name": "Other Ltd"})),
    "get_employer": lambda c: c.get_employer("er_1"),
    "list_employers": lambda c: c.list_employers(),
    "offboard_employer": lambda c: c.offboard_employer("er_1", idempotency_key=KEY),
    "create_employee": lambda c: c.create_employee(serialise(employee_body("er_1")), idempotency_key=KEY),
    "update_employee": lambda c: c.update_employee("ee_1", serialise({"first_name": "Other"})),
    "get_employee": lambda c: c.get_employee("ee_1"),
    "list_employees": lambda c: c.list_employees(employer_id="er_1", metadata_id="host-1"),
    "offboard_employee": lambda c: c.offboard_employee("ee_1", OFFBOARDING, idempotency_key=KEY),
    "cancel_offboarding": lambda c: c.cancel_offboarding("ee_1", idempotency_key=KEY),
    "create_embed_session": lambda c: c.create_embed_session("er_1", employee_id="ee_1", external_customer_id="c"),
    "create_hosted_session": lambda c: c.create_hosted_session("er_1", employee_id="ee_1"),
    "list_events": lambda c: c.list_events(created_after=SINCE, version="v2"),
    "list_policies": lambda c: c.list_policies(employee_id="ee_1", statuses=["active"]),
    "list_group_policies": lambda c: c.list_group_policies(employer_id="er_1", statuses=["active", "scheduled"]),
    "list_employee_health_policies": lambda c: c.list_employee_health_policies("ee_1", statuses=["active"]),
    "list_employer_health_policies": lambda c: c.list_employer_health_policies("er_1", statuses=["active"]),
    "list_enrolment_intents": lambda c: c.list_enrolment_intents(employee_id="ee_1"),
    "list_amendment_intents": lambda c: c.list_amendment_intents("p_1", statuses=["processing"]),
    "list_associated_persons": lambda c: c.list_associated_persons("ee_1"),
    "list_contribution_reports": lambda c: c.list_contribution_reports(
        employer_id="er_1", external_customer_id="c", year=2026, month=3, statuses=["open", "finalized"]
    ),
    "get_contribution_report": lambda c: c.get_contribution_report("ctr_1"),
    "breakdowns": lambda c: c.breakdowns("ctr_1"),
    "finalize_contribution_report": lambda c: c.finalize_contribution_report("ctr_1", idempotency_key=KEY),
}
# These reach whatever path they are told; the test below tells them all.
GENERIC = {"get", "get_all", "limiter", "once", "aclose"}

SCHEMAS: dict[type[BaseModel], str] = {
    records.Address: "AddressModel",
    kota.AmendmentIntent: "PolicyAmendmentIntentResponse",
    kota.AssociatedPerson: "AssociatedPersonResponse",
    records.BankAccount: "EmployeeBankAccount",
    records.Contact: "ContactModel",
    kota.ContributionLine: "GetEmployeeBreakdownContribution",
    kota.ContributionReport: "ContributionReportResponse",
    benefits.CoverageLevel: "HealthInsuranceCoverageLevelResponse",
    kota.EmbedSession: "CreateSessionTokenResponse",
    kota.Employee: "EmployeeResponse",
    kota.EmployeeBreakdown: "ContributionReportEmployeeBreakdownResponse",
    kota.EmployeeHealthPolicy: "EmployeeHealthInsurancePolicyResponse",
    kota.Employer: "EmployerResponse",
    kota.EmployerHealthPolicy: "EmployerHealthInsurancePolicyResponse",
    kota.EnrolmentIntent: "EnrolmentIntentResponse",
    kota.GroupPolicy: "GroupPolicyResponse",
    contributions.HealthContributions: "GetEmployeeBreakdownHealthInsurance",
    kota.HostedSession: "CreateHostedSessionTokenResponse",
    contributions.Period: "GetEmployeeBreakdownPeriod",
    benefits.Plan: "PolicyPlanResponse",
    kota.Policy: "PolicyResponse",
    benefits.PolicyHealthInsurance: "HealthInsurancePolicyResponse",
    benefits.PolicyMember: "PolicyMemberResponse",
    benefits.PolicyRenewal: "HealthInsurancePolicyRenewalResponse",
    benefits.PremiumAmounts: "HealthInsurancePolicyGrossEstimationAmountResponse",
    benefits.PremiumEstimate: "HealthInsurancePolicyEstimatedGrossPremiumResponse",
    benefits.Provider: "PolicyProviderResponse",
}


async def result_of(call: Call, client: KotaClient) -> Any:
    result = call(client)
    return [item async for item in result] if isinstance(result, AsyncIterator) else await result


@pytest.fixture(params=list(Kind), ids=lambda kind: kind.name.lower())
def judged(request: pytest.FixtureRequest, kota_openapi: KotaOpenAPI) -> JudgedKota:
    return JudgedKota(kota_openapi, request.param)


@pytest.fixture
async def client(judged: JudgedKota) -> AsyncIterator[KotaClient]:
    transport = httpx.MockTransport(judged.handle)
    key = "pk_test_" + "made-up"
    async with kota.open_client(api_url="https://kota.example", api_key=key, transport=transport) as client:
        yield client


def test_every_call_of_the_client_is_judged() -> None:
    public = {name for name in dir(KotaClient) if not name.startswith("_")}
    assert public == CALLS.keys() | GENERIC


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_asks_what_kota_describes_and_reads_what_it_answers(
    name: str, judged: JudgedKota, client: KotaClient
) -> None:
    result = await result_of(CALLS[name], client)
    assert judged.operations
    assert not judged.faults
    assert result


async def test_every_resource_can_be_read(judged: JudgedKota, client: KotaClient, kota_openapi: KotaOpenAPI) -> None:
    templates = [template for template, operations in kota_openapi.document["paths"].items() if "get" in operations]
    for template in templates:
        ids = dict.fromkeys(re.findall(r"{(\w+)}", template), "id_1")
        assert await client.get(template, ids)
    assert judged.operations == {f"GET {template}" for template in templates}
    assert not judged.faults


async def test_any_list_can_be_read_to_its_end(judged: JudgedKota, client: KotaClient) -> None:
    listed = client.get_all("/groups/{group_id}/employees", {"group_id": "gr_1"}, {"employee_id": "ee_1"})
    assert len([item async for item in listed]) == 1
    assert not judged.faults


@pytest.mark.parametrize(("model", "schema"), SCHEMAS.items(), ids=lambda value: getattr(value, "__name__", value))
def test_every_field_that_is_read_is_described(model: type[BaseModel], schema: str, kota_openapi: KotaOpenAPI) -> None:
    described = kota_openapi.document["components"]["schemas"][schema]["properties"]
    assert model.model_fields.keys() <= described.keys()


def test_every_model_is_compared() -> None:
    assert set(KotaModel.__subclasses__()) == SCHEMAS.keys()
