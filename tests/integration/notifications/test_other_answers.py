"""Kota, or something in front of it, answers 200 with another thing than the resource: nothing is closed by that."""

import json
from typing import Any

import httpx
import pytest

from app.events.settling import MAX_ATTEMPTS
from app.models import EventState, NotificationState
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, event, get_event, get_resource
from tests.integration.notifications.rows import ASKING, OFFER, again, notifications, offer, told
from tests.integration.stack import Stack

NO_RESOURCE: list[Any] = [None, [], "ok", 1, {}, {"message": "maintenance"}, {"status": None}]
QUOTE = "/group_quote_intents/gqi_1"
DEPENDENTS = "/dependents_management_intents/dmi_1"


def answers(stack: Stack, path: str, content: Any) -> None:
    # As text: without it, None would be an empty body.
    stack.played.answers[path] = lambda _request: httpx.Response(200, text=json.dumps(content))


@pytest.mark.parametrize("content", [*NO_RESOURCE, offer("not_undertaken") | {"id": "eeho_2"}])
async def test_answer_that_is_not_the_resource_closes_nothing_and_is_tried_again(stack: Stack, content: Any) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    answers(stack, OFFER, content)
    await stack.deliver(told(2))
    await stack.process()
    unread = await get_event(stack, 2)
    assert (unread.state, unread.attempts, unread.error_code) == (EventState.DEAD, MAX_ATTEMPTS, "KotaUnreadable")
    assert [item.state for item in await notifications(stack)] == [NotificationState.OPEN]
    # What is looked at by itself still is.
    assert (await get_resource(stack, "employee_offer", "eeho_1")).next_attempt_at
    del stack.played.answers[OFFER]
    stack.played.resources[OFFER] = offer("not_undertaken")
    await again(stack)
    assert [item.state for item in await notifications(stack)] == [NotificationState.CLOSED]


@pytest.mark.parametrize("content", NO_RESOURCE)
@pytest.mark.parametrize("parent", ["/enrolment_intents/ei_1", "/policies/p_1"])
async def test_parent_that_cannot_be_read_takes_nobody_from_a_notification(
    stack: Stack, parent: str, content: Any
) -> None:
    await add_people(stack)
    amends = parent == "/policies/p_1"
    names = {"parent_intent_id": "pai_1", "parent_intent_type": "policy_amendment_intent"}
    stack.played.resources[DEPENDENTS] = ASKING | (names if amends else {"parent_intent_id": "ei_1"})
    stack.played.resources[parent] = {"id": parent.rsplit("/", 1)[-1], "employee_id": EMPLOYEE_ID}
    if amends:
        await stack.deliver(
            event(2, "policy_amendment_intent.processing", policy_amendment_intent_id="pai_1", policy_id="p_1")
        )
    await stack.deliver(
        event(1, "dependents_management_intent.action_required", dependents_management_intent_id="dmi_1")
    )
    await stack.process()
    answers(stack, parent, content)
    await again(stack)
    [found] = await notifications(stack)
    assert (found.state, found.kota_employee_id) == (NotificationState.OPEN, EMPLOYEE_ID)
    failed = await get_resource(stack, "dependents_management_intent", "dmi_1")
    assert failed.error_code == "KotaUnreadable"


@pytest.mark.parametrize("content", NO_RESOURCE)
async def test_quote_that_cannot_be_read_leaves_the_day_and_the_employer(stack: Stack, content: Any) -> None:
    stack.played.resources[QUOTE] = {"id": "gqi_1", "status": "quote_available", "group_id": "gr_1"}
    stack.played.resources[f"{QUOTE}/quote"] = {"expires_at": "2026-04-01T00:00:00Z"}
    stack.played.resources["/groups/gr_1"] = {"id": "gr_1", "employer_id": EMPLOYER_ID}
    await stack.deliver(event(1, "group_quote_intent.quote_available", group_quote_intent_id="gqi_1"))
    await stack.process()
    before = (await notifications(stack))[0].content_digest
    for path in (f"{QUOTE}/quote", "/groups/gr_1"):
        answers(stack, path, content)
        await again(stack)
        assert (await get_resource(stack, "group_quote_intent", "gqi_1")).error_code == "KotaUnreadable"
        assert [item.content_digest for item in await notifications(stack)] == [before]
        del stack.played.answers[path]
        await again(stack)
        assert (await get_resource(stack, "group_quote_intent", "gqi_1")).error_code is None


async def test_another_employee_than_was_asked_for_concerns_nobody(stack: Stack) -> None:
    stack.played.resources["/enrolment_intents/ei_1"] = ASKING | {"employee_id": "ee_9"}
    stack.played.resources["/employees/ee_9"] = {"id": "ee_8", "employer_id": EMPLOYER_ID}
    await stack.deliver(event(1, "enrolment_intent.action_required", enrolment_intent_id="ei_1"))
    await stack.process()
    unread = await get_event(stack, 1)
    assert (unread.state, unread.error_code) == (EventState.DEAD, "KotaUnreadable")
    assert await notifications(stack) == []
