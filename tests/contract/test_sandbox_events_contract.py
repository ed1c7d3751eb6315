"""Every event type of Kota's document: its webhook, and the resource that a receiver reads next."""

from typing import Any

import pytest

from app.sandbox.catalogue import EVENT_TYPES
from app.sandbox.store import Record
from app.sandbox.webhooks import envelope
from tests.contract.judged_sandbox import JudgedSandbox
from tests.contract.kota_openapi import KotaOpenAPI

# Where the current state of each kind is read, by what its thin events say.
PATHS = {
    "employee": "/employees/{id}",
    "employer": "/employers/{id}",
    "quote": "/employers/{employer_id}/health_insurance/quotes/{id}",
    "offer": "/employees/{employee_id}/health_insurance/offers/{id}",
    "employee_policy": "/employees/{employee_id}/health_insurance/policies/{id}",
    "contribution_report": "/contribution_reports/{id}",
    "group": "/groups/{id}",
    "group_employee": "/groups/{group_id}/employees?employee_id={employee_id}",
    "policy": "/policies/{policy_id}",
    "group_policy": "/group_policies/{group_policy_id}",
    "enrolment_intent": "/enrolment_intents/{enrolment_intent_id}",
    "policy_amendment_intent": "/policies/{policy_id}/policy_amendment_intents/{policy_amendment_intent_id}",
    "dependents_management_intent": "/dependents_management_intents/{dependents_management_intent_id}",
    "policy_import_intent": "/policy_import_intents/{policy_import_intent_id}",
    "group_quote_intent": "/group_quote_intents/{group_quote_intent_id}",
    "group_policy_intent": "/group_policy_intents/{group_policy_intent_id}",
    "associated_person": "/employees/{employee_id}/associated_persons/{id}",
}
# How the other two events about a group's employee call the group to look at.
GROUP_NAMES = ("group_id", "new_group_id", "current_group_id")


@pytest.fixture
def judged(kota_openapi: KotaOpenAPI) -> JudgedSandbox:
    return JudgedSandbox(kota_openapi)


async def emitted(judged: JudgedSandbox, event_type: str, version: str, **data: Any) -> Record:
    answer = await judged.called("POST", "/_control/emit", json={"type": event_type, "version": version, "data": data})
    event = judged.sandbox.world.store.get("event", answer["id"])
    assert event is not None
    return event


async def read_next(judged: JudgedSandbox, event: Record) -> Any:
    data = event.body["data"]
    kind = EVENT_TYPES[event.body["type"]].kind
    if event.private["version"] == "v1":
        data = {"policy_id": data["id"], **data}
    group_id = next((data[name] for name in GROUP_NAMES if name in data), None)
    return await judged.called("GET", PATHS[kind].format(**{"group_id": group_id, **data}))


async def test_all_98_webhooks_are_as_described_and_lead_to_a_resource_that_is(judged: JudgedSandbox) -> None:
    assert len(judged.openapi.webhooks) == 98
    for (event_type, version), schema in judged.openapi.webhooks.items():
        event = await emitted(judged, event_type, version)
        faults = judged.openapi.schema_faults(envelope(event), schema=schema)
        assert not faults, (event_type, version, faults)
        resource = await read_next(judged, event)
        status = EVENT_TYPES[event_type].status
        if status is not None:
            assert resource["status"] == status, event_type


async def test_every_member_that_a_webhook_has_is_one_that_the_document_names(judged: JudgedSandbox) -> None:
    schemas = judged.openapi.document["components"]["schemas"]
    for (event_type, version), schema in judged.openapi.webhooks.items():
        event = await emitted(judged, event_type, version)
        members = schemas[schema]["properties"]
        assert set(envelope(event)) == set(members)
        data = schemas[members["data"]["$ref"].rpartition("/")[2]]["properties"]
        assert set(event.body["data"]) <= set(data), event_type


async def test_all_lists_are_as_described(judged: JudgedSandbox) -> None:
    for event_type, version in judged.openapi.webhooks:
        await emitted(judged, event_type, version)
    state = (await judged.get("/_control/state")).json()
    employee_id, employer_id = state["policy"][0]["employee_id"], state["quote"][0]["employer_id"]
    policy = {"kind": "employer_policy", "object": {"employer_id": employer_id}}
    await judged.called("POST", "/_control/seed", json=policy)
    policy_id = state["policy_amendment_intent"][0]["policy_id"]
    breakdown = {"kind": "employee_breakdown", "object": {"employee_id": employee_id}}
    breakdown_id = (await judged.called("POST", "/_control/seed", json=breakdown))["id"]
    report_id = breakdown_id.partition("/")[0]
    for path in (
        "/policies",
        f"/policies?employee_id={employee_id}&status=active,cancelled",
        f"/policies/{policy_id}/policy_amendment_intents",
        "/group_policies?status=cancelled",
        "/groups",
        "/enrolment_intents",
        "/policy_import_intents",
        "/group_quote_intents",
        "/group_policy_intents",
        "/contribution_reports",
        f"/contribution_reports/{report_id}/employee_breakdowns",
        f"/contribution_reports/{report_id}/employee_breakdowns/{employee_id}",
        f"/employers/{employer_id}/health_insurance/quotes",
        f"/employers/{employer_id}/health_insurance/policies",
        f"/employees/{employee_id}/health_insurance/policies",
        f"/employees/{employee_id}/health_insurance/offers",
        f"/employees/{employee_id}/associated_persons",
    ):
        page = await judged.called("GET", path)
        if "items" in page:
            assert page["items"], path


async def test_every_status_can_be_set_and_is_as_described(judged: JudgedSandbox) -> None:
    schemas = judged.openapi.document["components"]["schemas"]
    for kind, path in PATHS.items():
        if kind in ("group_employee", "associated_person"):
            continue
        first = next(name for name, event_type in EVENT_TYPES.items() if event_type.kind == kind)
        event = await emitted(judged, first, "v2")
        resource = await read_next(judged, event)
        schema = schemas[resource_schema(judged, path)]["properties"]["status"]["allOf"][0]["$ref"].rpartition("/")[2]
        for status in schemas[schema]["enum"]:
            body = {"id": resource["id"], "status": status}
            await judged.called("POST", "/_control/advance", json=body)
            assert (await read_next(judged, event))["status"] == status


def resource_schema(judged: JudgedSandbox, path: str) -> str:
    parts = path.split("/")
    for template, item in judged.openapi.document["paths"].items():
        names = template.split("/")
        if len(names) == len(parts) and all(
            one == two or (one.startswith("{") and two.startswith("{")) for one, two in zip(names, parts, strict=True)
        ):
            schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            return str(schema["$ref"].rpartition("/")[2])
    raise AssertionError(path)


async def test_offboarding_and_finalizing_are_as_described(judged: JudgedSandbox) -> None:
    event = await emitted(judged, "policy.active", "v2")
    employee_id = event.body["data"]["employee_id"]
    employer_id = (await judged.called("GET", f"/employees/{employee_id}"))["employer_id"]
    body = {"offboard_on": "2099-01-01T00:00:00Z", "offboard_reason": "left"}
    await judged.called("POST", f"/employees/{employee_id}/offboard", json={}, status=400)
    await judged.called("POST", f"/employees/{employee_id}/offboard", json=body)
    await judged.called("POST", f"/employees/{employee_id}/offboard/cancel")
    await judged.called("POST", f"/employees/{employee_id}/offboard/cancel", status=400)
    report = await judged.called("POST", "/_control/seed", json={"kind": "contribution_report", "object": {}})
    await judged.called("POST", f"/contribution_reports/{report['id']}/finalize")
    await judged.called("POST", f"/contribution_reports/{report['id']}/finalize", status=400)
    await judged.called("POST", f"/employers/{employer_id}/offboard")
    quote = await emitted(judged, "group_quote_intent.quote_available", "v2")
    await judged.called("GET", f"/group_quote_intents/{quote.body['data']['group_quote_intent_id']}/quote")


async def test_the_webhook_endpoint_is_as_described(kota_openapi: KotaOpenAPI) -> None:
    judged = JudgedSandbox(kota_openapi, webhook_url="http://127.0.0.1:9/")
    endpoints = await judged.called("GET", "/webhooks/endpoints")
    await judged.called("GET", f"/webhooks/endpoints/{endpoints['items'][0]['id']}")
    await judged.called("GET", "/webhooks/endpoints/whe_none", status=404)
