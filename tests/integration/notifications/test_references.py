"""With which of the host's references a notification is told."""

import asyncio

import pytest
from sqlalchemy import update

from app.models import Employee, Employer, KotaResource, OutboxMessage, OutboxState
from app.models.notification import SEEN_BYTES
from app.notifications.actions import EMPLOYEE, neutral
from app.notifications.concerned import Concerned
from app.notifications.ledger import Asking, keep_notifications
from app.sync.kinds import EMPLOYEES
from app.sync.settling import mark_known
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people
from tests.integration.notifications.rows import ASKING, OFFER, again, concerned, messages, notifications, offer, told
from tests.integration.stack import LOOKUP_KEY, NOW, Stack


async def add_strangers(stack: Stack) -> None:
    """Another company and its employee, neither of them at Kota yet."""
    record = {"desired": {}, "desired_digest": b"d"}
    async with stack.sessions.begin() as session:
        session.add(Employer(ref="stranger-co", **record))
        await session.flush()
        session.add(Employee(ref="stranger", employer_ref="stranger-co", **record))


@pytest.mark.threat(3)
async def test_what_concerns_no_employee_is_told_without_one_though_another_company_has_one_without_id(
    stack: Stack,
) -> None:
    await add_people(stack)
    await add_strangers(stack)
    stack.played.resources["/group_quote_intents/gqi_1"] = ASKING | {"employer_id": EMPLOYER_ID}
    await concerned(stack, "group_quote_intent.action_required", group_quote_intent_id="gqi_1")
    [message] = await messages(stack)
    assert message.content
    assert (message.content["employer_ref"], message.content["employee_ref"]) == ("acme", None)


@pytest.mark.threat(3)
async def test_what_concerns_nobody_is_told_without_references_though_there_are_records_without_id(
    stack: Stack,
) -> None:
    await add_strangers(stack)
    stack.played.resources["/dependents_management_intents/dmi_1"] = ASKING
    await concerned(stack, "dependents_management_intent.action_required", dependents_management_intent_id="dmi_1")
    [message] = await messages(stack)
    assert message.content
    assert (message.content["employer_ref"], message.content["employee_ref"]) == (None, None)


async def test_reference_that_is_known_later_is_told_and_brings_nothing_back_to_who_dismissed_it(stack: Stack) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    [opened] = await notifications(stack)
    [message] = await messages(stack)
    assert message.content
    assert (message.content["employer_ref"], message.content["employee_ref"]) == (None, None)
    async with stack.sessions.begin() as session:
        # What was delivered is forgotten, so that it is not known from there with which references it was told.
        await session.execute(update(OutboxMessage).values(state=OutboxState.DELIVERED, content=None))

    await add_people(stack)
    for _ in range(2):
        await again(stack)
    [message] = await messages(stack)
    assert (message.version, message.type) == (2, "notification.updated")
    assert message.content
    assert (message.content["employer_ref"], message.content["employee_ref"]) == ("acme", "mary")
    [updated] = await notifications(stack)
    assert updated.content_digest[:SEEN_BYTES] == opened.content_digest[:SEEN_BYTES]


@pytest.mark.parametrize("first", ["notification", "record"])
async def test_record_and_notification_that_are_stored_at_once_find_each_other(stack: Stack, first: str) -> None:
    await add_people(stack)
    async with stack.sessions.begin() as session:
        await session.execute(update(Employee).values(kota_id=None))
    asking = Asking("employee_offer", "eeho_1", Concerned(EMPLOYER_ID, EMPLOYEE_ID), NOW)
    both = asyncio.Barrier(2)

    async def notify() -> None:
        async with stack.sessions.begin() as session:
            if first == "record":
                await both.wait()
            await keep_notifications(session, asking, [neutral("sign", EMPLOYEE)], lookup_key=LOOKUP_KEY)
            if first == "notification":
                await both.wait()
                await asyncio.sleep(0.2)

    async def know() -> None:
        async with stack.sessions.begin() as session:
            await session.execute(update(Employee).values(kota_id=EMPLOYEE_ID))
            if first == "notification":
                await both.wait()
            await mark_known(session, EMPLOYEES, [EMPLOYEE_ID])
            if first == "record":
                await both.wait()
                await asyncio.sleep(0.2)

    await asyncio.gather(notify(), know())
    [message] = await messages(stack)
    assert message.content
    async with stack.sessions() as session:
        is_marked = await session.get(KotaResource, ("employee_offer", "eeho_1")) is not None
    told_and_marked = message.content["employee_ref"], is_marked
    assert told_and_marked == (("mary", False) if first == "record" else (None, True))
