"""Dependents management names nobody, and is confirmed without an event."""

from datetime import UTC, datetime, timedelta

import pytest

from app.models import NotificationState
from app.outbox.messages import MessageType
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, event, get_resource
from tests.integration.notifications.rows import ASKING, again, messages, notifications
from tests.integration.stack import Stack

KIND = "dependents_management_intent"
DEPENDENTS = "/dependents_management_intents/dmi_1"
OF_AMENDMENT = {"parent_intent_id": "pai_1", "parent_intent_type": "policy_amendment_intent"}


async def ask(stack: Stack) -> None:
    await stack.deliver(event(1, f"{KIND}.action_required", dependents_management_intent_id="dmi_1"))
    await stack.process()


@pytest.mark.parametrize("names_employee", [True, False])
async def test_action_that_comes_before_the_event_of_its_amendment_reaches_its_employee_soon_after(
    stack: Stack, names_employee: bool
) -> None:
    await add_people(stack)
    stack.played.resources[DEPENDENTS] = ASKING | OF_AMENDMENT
    stack.played.resources["/policies/p_1"] = {"id": "p_1", "employee_id": EMPLOYEE_ID}
    await ask(stack)
    [early] = await notifications(stack)
    assert early.kota_employee_id is None
    due = (await get_resource(stack, KIND, "dmi_1")).next_attempt_at
    assert due
    assert due < datetime.now(UTC) + timedelta(minutes=1)

    people = {"employee_id": EMPLOYEE_ID, "employer_id": EMPLOYER_ID} if names_employee else {}
    await stack.deliver(
        event(2, "policy_amendment_intent.processing", policy_amendment_intent_id="pai_1", policy_id="p_1", **people)
    )
    await stack.process()
    await again(stack)
    [found] = await notifications(stack)
    assert (found.id, found.kota_employer_id, found.kota_employee_id) == (early.id, EMPLOYER_ID, EMPLOYEE_ID)
    [told] = await messages(stack)
    assert told.type == MessageType.NOTIFICATION_UPDATED
    assert told.content
    assert (told.content["employer_ref"], told.content["employee_ref"]) == ("acme", "mary")


async def test_dependents_that_are_confirmed_without_an_event_are_asked_for_no_longer(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources[DEPENDENTS] = ASKING | {"parent_intent_id": "ei_1"}
    stack.played.resources["/enrolment_intents/ei_1"] = {"id": "ei_1", "employee_id": EMPLOYEE_ID}
    await ask(stack)
    assert (await get_resource(stack, KIND, "dmi_1")).next_attempt_at
    stack.played.resources[DEPENDENTS] = {"status": "processing", "parent_intent_id": "ei_1"}
    await again(stack)
    assert [item.state for item in await notifications(stack)] == [NotificationState.CLOSED]
    assert (await get_resource(stack, KIND, "dmi_1")).next_attempt_at is None
