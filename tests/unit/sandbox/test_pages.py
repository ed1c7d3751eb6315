from typing import Any

import pytest

from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


async def people(sandbox: SandboxClient) -> tuple[str, str]:
    employer = await sandbox.new_employer()
    return employer["id"], (await sandbox.new_employee(employer["id"]))["id"]


async def session(sandbox: SandboxClient, **whose: Any) -> dict[str, str]:
    """The header that Kota's script sends."""
    return {"authorization": f"Bearer {(await sandbox.created('/embed/sessions', whose))['token']}"}


async def emit(sandbox: SandboxClient, event_type: str, **data: Any) -> None:
    await sandbox.created("/_control/emit", {"type": event_type, "data": data})


async def shown(sandbox: SandboxClient, headers: dict[str, str]) -> dict[str, Any]:
    answer = await sandbox.get("/embed/session", headers=headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def settle(sandbox: SandboxClient, headers: dict[str, str], action: dict[str, Any], answer: str) -> Any:
    response = await sandbox.post(f"/embed/actions/{action['id']}", json={"answer": answer}, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_script_has_kotas_published_constructors_and_events_and_writes_no_markup(
    sandbox: SandboxClient,
) -> None:
    answer = await sandbox.get("/v1", headers={"authorization": ""})
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == "*"
    for published in (
        "window.Kota",
        "Health",
        "employer: () =>",
        "employee: () =>",
        "init(token",
        "on(event",
        "pageLoaded",
        "healthSetupLoaded",
        "healthManagementLoaded",
        "loadError",
        "dependants_cover",
    ):
        assert published in answer.text
    assert "innerHTML" not in answer.text


async def test_a_session_shows_whose_it_is(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    employer = await shown(sandbox, await session(sandbox, employer_id=employer_id))
    assert (employer["audience"], employer["name"], employer["covered"]) == ("employer", "Example Trading Ltd", False)
    headers = await session(sandbox, employer_id=employer_id, employee_id=employee_id)
    assert (await shown(sandbox, headers))["name"] == "Test Mary Example"
    await emit(sandbox, "policy.active", employee_id=employee_id)
    assert (await shown(sandbox, headers))["covered"] is True


async def test_an_action_is_shown_in_kotas_words_and_settled_by_an_answer(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    headers = await session(sandbox, employer_id=employer_id, employee_id=employee_id)
    required = {"reason": "Choose <now>", "reason_description": "Really & truly.", "due_at": "2030-05-01"}
    await emit(
        sandbox, "employee.health_insurance.offer.action_required", employee_id=employee_id, required_action=required
    )
    [action] = (await shown(sandbox, headers))["actions"]
    assert (action["title"], action["body"], action["due_on"]) == ("Choose <now>", "Really & truly.", "2030-05-01")
    assert (await settle(sandbox, headers, action, "accept"))["actions"] == []
    offers = await sandbox.read(f"/employees/{employee_id}/health_insurance/offers")
    assert (offers["items"][0]["status"], offers["items"][0]["required_action"]) == ("accepted", None)


@pytest.mark.parametrize(
    ("event_type", "answer", "status"),
    [
        ("enrolment_intent.action_required", "accept", "processing"),
        ("enrolment_intent.pending_confirmation", "decline", "not_undertaken"),
        ("enrolment_intent.addon_selection_required", "accept", "processing"),
        ("policy_amendment_intent.pending_confirmation", "accept", "processing"),
        ("policy_amendment_intent.action_required", "decline", "not_undertaken"),
        ("dependents_management_intent.action_required", "accept", "completed"),
    ],
)
async def test_every_kind_of_employees_action_can_be_settled(
    sandbox: SandboxClient, event_type: str, answer: str, status: str
) -> None:
    employer_id, employee_id = await people(sandbox)
    headers = await session(sandbox, employer_id=employer_id, employee_id=employee_id)
    await emit(sandbox, event_type, employee_id=employee_id)
    kind = event_type.partition(".")[0]
    action, *others = (await shown(sandbox, headers))["actions"]
    remaining = (await settle(sandbox, headers, action, answer))["actions"]
    assert remaining == others
    resource = (await sandbox.read("/_control/state", kind=kind))[kind][0]
    assert resource["status"] == status
    newest = (await sandbox.read("/events", version="v2"))["items"][0]
    assert newest["type"] == f"{kind}.{status}"


@pytest.mark.parametrize(
    ("event_type", "answers"),
    [
        ("employer.health_insurance.quote.action_required", ["accept", "decline"]),
        ("group_quote_intent.action_required", ["accept"]),
        ("group_quote_intent.quote_available", ["accept", "decline"]),
        ("group_policy_intent.action_required", ["accept"]),
    ],
)
async def test_every_kind_of_employers_action_can_be_settled(
    sandbox: SandboxClient, event_type: str, answers: list[str]
) -> None:
    employer_id, _ = await people(sandbox)
    headers = await session(sandbox, employer_id=employer_id)
    await emit(sandbox, event_type, employer_id=employer_id)
    [action] = (await shown(sandbox, headers))["actions"]
    assert action["answers"] == answers
    assert (await settle(sandbox, headers, action, answers[-1]))["actions"] == []


async def test_nobody_settles_what_is_somebody_elses(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    await emit(sandbox, "enrolment_intent.action_required", employee_id=employee_id)
    headers = await session(sandbox, employer_id=employer_id, employee_id=employee_id)
    [action] = (await shown(sandbox, headers))["actions"]
    stranger = await sandbox.new_employee(employer_id)
    for whose in ({"employer_id": employer_id}, {"employer_id": employer_id, "employee_id": stranger["id"]}):
        other = await session(sandbox, **whose)
        answer = await sandbox.post(f"/embed/actions/{action['id']}", json={"answer": "accept"}, headers=other)
        assert answer.status_code == 404


async def test_what_cannot_be_declined_is_refused(sandbox: SandboxClient) -> None:
    employer_id, _ = await people(sandbox)
    headers = await session(sandbox, employer_id=employer_id)
    await emit(sandbox, "group_quote_intent.action_required", employer_id=employer_id)
    [action] = (await shown(sandbox, headers))["actions"]
    for sent, status in (({"answer": "decline"}, 404), ({"answer": "perhaps"}, 400)):
        answer = await sandbox.post(f"/embed/actions/{action['id']}", json=sent, headers=headers)
        assert answer.status_code == status


async def test_a_token_ends_and_no_other_secret_is_one(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True, session_lifetime=60)
    employer_id, _ = await people(sandbox)
    headers = await session(sandbox, employer_id=employer_id)
    await sandbox.advance(61)
    for wrong in (headers, {"authorization": "Bearer pk_test_sandbox"}, {"authorization": ""}):
        answer = await sandbox.get("/embed/session", headers=wrong)
        assert answer.status_code == 401
        # Without this header a browser would tell the script nothing at all.
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_browsers_may_call_from_any_page(sandbox: SandboxClient) -> None:
    for path in ("/embed/session", "/embed/actions/eeho_1"):
        answer = await sandbox.options(path, headers={"authorization": ""})
        assert answer.status_code == 204
        assert "authorization" in answer.headers["access-control-allow-headers"]


async def test_a_hosted_link_opens_once(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    hosted = await sandbox.created("/hosted/sessions", {"employer_id": employer_id, "employee_id": employee_id})
    page = await sandbox.get(hosted["link"], headers={"authorization": ""})
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    token = page.text.partition('data-token="')[2].partition('"')[0]
    assert (await shown(sandbox, {"authorization": f"Bearer {token}"}))["name"] == "Test Mary Example"
    assert (await sandbox.get("/static/hosted.js")).status_code == 200
    again = await sandbox.get(hosted["link"])
    assert (again.status_code, "no longer valid" in again.text) == (410, True)


async def test_a_hosted_link_is_good_for_an_hour(sandbox: SandboxClient) -> None:
    employer_id, employee_id = await people(sandbox)
    hosted = await sandbox.created("/hosted/sessions", {"employer_id": employer_id, "employee_id": employee_id})
    await sandbox.advance(3601)
    assert (await sandbox.get(hosted["link"])).status_code == 410
    assert (await sandbox.get("/hosted/pages/none")).status_code == 410
