from typing import Any

import pytest

from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


async def people(sandbox: SandboxClient) -> tuple[str, str]:
    employer = await sandbox.new_employer()
    return employer["id"], (await sandbox.new_employee(employer["id"]))["id"]


async def emit(sandbox: SandboxClient, event_type: str, version: str = "v2", **data: Any) -> dict[str, Any]:
    sent = {"type": event_type, "version": version, "data": data}
    emitted = await sandbox.created("/_control/emit", sent)
    event = await sandbox.read(f"/events/{emitted['id']}")
    assert event["type"] == event_type
    result: dict[str, Any] = event["data"]
    return result


# Seven types and four shapes: two names of the object, two of the deadline, two formats.
REQUIRED_ACTIONS = [
    ("employer.health_insurance.quote.action_required", "required_action", "due_at", 10),
    ("employee.health_insurance.offer.action_required", "required_action", "due_at", 10),
    ("enrolment_intent.action_required", "action_required", "due_by", 20),
    ("group_quote_intent.action_required", "action_required", "due_by", 28),
    ("group_policy_intent.action_required", "action_required", "due_by", 25),
    ("dependents_management_intent.action_required", "action_required", "due_by", 20),
    ("policy_amendment_intent.action_required", "required_action", "due_by", 10),
]


@pytest.mark.parametrize(("event_type", "member", "deadline", "length"), REQUIRED_ACTIONS)
async def test_a_required_action_has_its_types_own_shape(
    sandbox: SandboxClient, event_type: str, member: str, deadline: str, length: int
) -> None:
    await emit(sandbox, event_type)
    state = await sandbox.read("/_control/state")
    [resource] = [body for bodies in state.values() for body in bodies if body.get(member)][-1:]
    action = resource[member]
    assert resource["status"] == "action_required"
    assert len(action[deadline]) == length
    assert action["reason"]
    assert action["reason_description"]
    assert action["code"]


async def test_an_event_happens_to_the_employee_that_is_named(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    await people(sandbox)
    offer = await emit(sandbox, "employee.health_insurance.offer.action_required", employee_id=employee_id)
    assert (offer["employee_id"], offer["employer_id"]) == (employee_id, employer_id)
    listed = await sandbox.read(f"/employees/{employee_id}/health_insurance/offers")
    assert [item["id"] for item in listed["items"]] == [offer["id"]]


async def test_without_anybody_named_somebody_is_made_up(sandbox: SandboxClient) -> None:
    offer = await emit(sandbox, "employee.health_insurance.offer.action_required")
    assert (await sandbox.read(f"/employees/{offer['employee_id']}"))["first_name"] == "Sample"


async def test_members_that_are_given_are_taken_over(sandbox: SandboxClient) -> None:
    _, employee_id = await people(sandbox)
    action = {"due_at": "2030-05-01", "reason": "Choose"}
    given = {"id": "eeho_mine", "employee_id": employee_id, "required_action": action}
    await emit(sandbox, "employee.health_insurance.offer.action_required", "v1", **given)
    path = f"/employees/{employee_id}/health_insurance/offers/eeho_mine"
    assert (await sandbox.read(path))["required_action"].items() >= action.items()
    await emit(sandbox, "employee.health_insurance.offer.action_required", id="eeho_mine", required_action=None)
    assert (await sandbox.read(path))["required_action"] is None


async def test_the_same_resource_goes_through_its_states(sandbox: SandboxClient) -> None:
    intent = await emit(sandbox, "enrolment_intent.processing")
    known = {"enrolment_intent_id": intent["enrolment_intent_id"]}
    path = f"/enrolment_intents/{intent['enrolment_intent_id']}"
    await emit(sandbox, "enrolment_intent.action_required", **known)
    assert (await sandbox.read(path))["action_required"]
    await emit(sandbox, "enrolment_intent.pending_confirmation", **known)
    confirming = await sandbox.read(path)
    assert confirming["action_required"] is None
    assert confirming["pending_confirmation"]["code"] == "confirm_enrolment"
    await emit(sandbox, "enrolment_intent.ineligible", **known)
    assert (await sandbox.read(path))["ineligibility_reason"]["code"]
    assert (await sandbox.read("/enrolment_intents"))["total_count"] == 1


async def test_an_offer_is_settled_without_an_event(sandbox: SandboxClient) -> None:
    offer = await emit(sandbox, "employee.health_insurance.offer.action_required")
    await sandbox.created("/_control/advance", {"id": offer["id"], "status": "accepted"})
    # The made-up people may become active meanwhile, which is told.
    types = [event["type"] for event in (await sandbox.read("/events", version="v2"))["items"]]
    assert [name for name in types if ".offer." in name] == ["employee.health_insurance.offer.action_required"]
    settled = await sandbox.read(f"/employees/{offer['employee_id']}/health_insurance/offers/{offer['id']}")
    assert (settled["status"], settled["required_action"]) == ("accepted", None)


async def test_other_resources_tell_of_their_new_status(sandbox: SandboxClient) -> None:
    quote = await emit(sandbox, "employer.health_insurance.quote.created")
    await sandbox.created("/_control/advance", {"id": quote["id"], "status": "action_required"})
    for version in ("v1", "v2"):
        newest = (await sandbox.read("/events", version=version))["items"][0]
        assert newest["type"] == "employer.health_insurance.quote.action_required"


async def test_a_version_1_event_carries_the_resource_as_it_was(sandbox: SandboxClient) -> None:
    fat = await emit(sandbox, "employee.health_insurance.offer.action_required", "v1")
    await sandbox.created("/_control/advance", {"id": fat["id"], "status": "accepted"})
    assert fat["required_action"]["due_at"]
    answer = await sandbox.post("/_control/emit", json={"type": "policy.active", "version": "v1"})
    assert answer.status_code == 400


async def test_employees_of_groups_come_move_and_go(sandbox: SandboxClient) -> None:
    _, employee_id = await people(sandbox)

    async def in_group(group_id: str) -> list[Any]:
        found = await sandbox.read(f"/groups/{group_id}/employees", employee_id=employee_id)
        return list(found["items"])

    added = await emit(sandbox, "group.employee.added", employee_id=employee_id)
    first_id = added["group_id"]
    await emit(sandbox, "group.employee.eligible", employee_id=employee_id, group_id=first_id)
    assert (await in_group(first_id))[0]["eligibility_status"] == "eligible"
    planned = await emit(sandbox, "group.employee.move.scheduled", employee_id=employee_id, current_group_id=first_id)
    [transition] = (await in_group(first_id))[0]["scheduled_group_transitions"]
    assert transition["new_group_id"] == planned["new_group_id"]
    moved = await emit(
        sandbox,
        "group.employee.moved",
        employee_id=employee_id,
        previous_group_id=first_id,
        new_group_id=planned["new_group_id"],
    )
    assert await in_group(first_id) == []
    assert len(await in_group(moved["new_group_id"])) == 1
    removed = await emit(sandbox, "group.employee.removed", employee_id=employee_id, group_id=moved["new_group_id"])
    assert removed["removed_at"]
    assert await in_group(moved["new_group_id"]) == []
    await emit(sandbox, "group.employee.added", employee_id=employee_id, group_id=first_id)
    assert len(await in_group(first_id)) == 1


async def test_a_choice_of_dependants_belongs_to_an_enrolment_or_to_an_amendment(sandbox: SandboxClient) -> None:
    _, employee_id = await people(sandbox)
    await emit(sandbox, "dependents_management_intent.action_required", employee_id=employee_id)
    amended = await emit(
        sandbox,
        "dependents_management_intent.action_required",
        employee_id=employee_id,
        parent_intent_type="policy_amendment_intent",
    )
    state = await sandbox.read("/_control/state")
    first, second = state["dependents_management_intent"]
    [enrolment], [amendment] = state["enrolment_intent"], state["policy_amendment_intent"]
    assert (first["parent_intent_id"], enrolment["employee_id"]) == (enrolment["id"], employee_id)
    assert second["parent_intent_id"] == amendment["id"]
    assert state["policy"][0]["employee_id"] == employee_id
    # The event names the parent in another form than the resource does.
    assert amended["parent_intent_id"].replace("-", "") == amendment["id"].removeprefix("pai_")


async def test_renewals_open_and_end(sandbox: SandboxClient) -> None:
    policy = await emit(sandbox, "policy.renewal.opened")
    path = f"/policies/{policy['policy_id']}"
    opened = (await sandbox.read(path))["health_insurance"]["renewal"]
    assert opened["status"] == "open"
    assert opened["window_end_date"]
    await emit(sandbox, "policy.renewal.renewed", policy_id=policy["policy_id"])
    assert (await sandbox.read(path))["health_insurance"]["renewal"]["renewed_policy_id"].startswith("p_")
    life = await emit(sandbox, "group_policy.renewal.opened", type="life_assurance", health_insurance=None)
    assert (await sandbox.read(f"/group_policies/{life['group_policy_id']}"))["health_insurance"] is None


async def test_a_group_quote_can_be_read_while_it_is_available(sandbox: SandboxClient) -> None:
    intent = await emit(sandbox, "group_quote_intent.quote_available", expires_at="2030-05-01T17:00:00Z")
    path = f"/group_quote_intents/{intent['group_quote_intent_id']}"
    assert (await sandbox.read(f"{path}/quote"))["expires_at"] == "2030-05-01T17:00:00Z"
    await sandbox.created("/_control/advance", {"id": intent["group_quote_intent_id"], "status": "quote_expired"})
    assert (await sandbox.get(f"{path}/quote")).status_code == 404


async def test_a_bare_event_touches_nothing(sandbox: SandboxClient) -> None:
    sent = {"type": "employee.updated", "data": {"id": "ee_gone", "employer_id": "er_gone"}, "bare": True}
    emitted = await sandbox.created("/_control/emit", sent)
    assert emitted["data"] == {"id": "ee_gone", "employer_id": "er_gone"}
    assert await sandbox.read("/_control/state") == {}


async def test_an_event_about_an_unknown_person_is_refused(sandbox: SandboxClient) -> None:
    for event_type, data in (
        ("employee.updated", {"id": "ee_gone"}),
        ("employer.updated", {"id": "er_gone"}),
        ("policy.active", {"employee_id": "ee_gone"}),
    ):
        answer = await sandbox.post("/_control/emit", json={"type": event_type, "data": data})
        assert answer.status_code == 404


async def test_an_employees_event_can_bring_a_change_along(sandbox: SandboxClient) -> None:
    _, employee_id = await people(sandbox)
    await emit(sandbox, "employee.updated", id=employee_id, last_name="Changed")
    assert (await sandbox.read(f"/employees/{employee_id}"))["last_name"] == "Changed"
    await emit(sandbox, "employee.offboarded", id=employee_id)
    offboarded = await sandbox.read(f"/employees/{employee_id}")
    assert offboarded["status"] == "inactive"
    assert offboarded["offboard_on"]


async def test_seeds_tell_nobody_and_change_what_exists(sandbox: SandboxClient) -> None:
    _, employee_id = await people(sandbox)
    before = await sandbox.read("/events", version="v2")
    seed = {"kind": "policy", "object": {"employee_id": employee_id, "start_date": "2025-01-01"}}
    policy = await sandbox.created("/_control/seed", seed)
    assert policy["object"]["start_date"] == "2025-01-01"
    changed = {
        "kind": "policy",
        "object": {"id": policy["id"], "status": "cancelled", "cancellation_date": "2025-02-01"},
    }
    await sandbox.created("/_control/seed", changed)
    assert (await sandbox.read(f"/policies/{policy['id']}"))["cancellation_date"] == "2025-02-01"
    employer = {
        "kind": "employer",
        "object": {"legal_name": "Known Already", "status": "active", "metadata": {"id": "h"}},
    }
    employer_id = (await sandbox.created("/_control/seed", employer))["id"]
    assert (await sandbox.read(f"/employers/{employer_id}"))["status"] == "active"
    assert await sandbox.read("/events", version="v2") == before
    for wrong in ({"kind": "unicorn"}, {"kind": "policy", "object": {"status": "gone"}}):
        assert (await sandbox.post("/_control/seed", json=wrong)).status_code == 400


async def test_resources_are_read_under_their_own_person_only(sandbox: SandboxClient) -> None:
    offer = await emit(sandbox, "employee.health_insurance.offer.action_required")
    _, stranger_id = await people(sandbox)
    path = f"/employees/{stranger_id}/health_insurance/offers"
    assert (await sandbox.get(f"{path}/{offer['id']}")).status_code == 404
    assert (await sandbox.read(path))["items"] == []
    assert (await sandbox.get("/employees/ee_none/health_insurance/offers")).status_code == 404


async def test_lists_of_policies_show_those_in_force_unless_asked_otherwise(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True)
    for event_type in ("policy.scheduled", "policy.active", "policy.expired", "policy.cancelled"):
        await emit(sandbox, event_type)
    listed = await sandbox.read("/policies")
    assert [policy["status"] for policy in listed["items"]] == ["active", "scheduled"]
    assert (await sandbox.read("/policies", status="expired,cancelled"))["total_count"] == 2
    assert (await sandbox.get("/policies", params={"status": "gone"})).status_code == 400
