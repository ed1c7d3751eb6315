from datetime import date, timedelta

import pytest
from sqlalchemy import select

from app.models import (
    KotaResource,
    NotificationAudience,
    NotificationDismissal,
    NotificationState,
    OutboxMessage,
)
from app.models.notification import SEEN_BYTES
from app.notifications.ledger import expire_notifications
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, event
from tests.integration.notifications.rows import (
    ASKING,
    OFFER,
    WORDS,
    again,
    concerned,
    messages,
    notifications,
    offer,
    told,
)
from tests.integration.stack import NOW, Stack


async def test_required_action_opens_changes_closes_and_opens_again_under_one_id(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    [opened] = await notifications(stack)
    assert (opened.title, opened.body, opened.due_on) == ("Respond", "Accept or decline.", date(2026, 3, 16))
    assert (opened.audience, opened.state) == (NotificationAudience.EMPLOYEE, NotificationState.OPEN)
    assert (opened.kota_employee_id, opened.kota_employer_id) == (EMPLOYEE_ID, EMPLOYER_ID)
    assert opened.external_customer_id == "customer-1"

    await again(stack)
    [message] = await messages(stack)
    assert (message.version, message.type) == (1, "notification.opened")
    assert message.content
    assert message.content["employee_ref"] == "mary"
    assert message.content["employer_ref"] == "acme"

    stack.played.resources[OFFER] = offer(due_at="2026-03-20")
    await again(stack)
    [changed] = await notifications(stack)
    assert (changed.id, changed.due_on) == (opened.id, date(2026, 3, 20))
    [message] = await messages(stack)
    assert (message.version, message.type) == (2, "notification.updated")

    stack.played.resources[OFFER] = offer("accepted")
    await again(stack)
    [closed] = await notifications(stack)
    assert (closed.id, closed.state, closed.closed_at) == (opened.id, NotificationState.CLOSED, NOW)
    [message] = await messages(stack)
    assert (message.version, message.type) == (3, "notification.closed")

    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(2))
    await stack.process()
    [reopened] = await notifications(stack)
    assert (reopened.id, reopened.state, reopened.closed_at) == (opened.id, NotificationState.OPEN, None)
    [message] = await messages(stack)
    assert (message.version, message.type) == (4, "notification.opened")


async def test_offer_is_polled_until_it_is_settled(stack: Stack) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    async with stack.sessions() as session:
        assert await session.scalar(select(KotaResource.next_attempt_at))
    stack.played.resources[OFFER] = offer("not_undertaken")
    await again(stack)
    async with stack.sessions() as session:
        assert await session.scalar(select(KotaResource.next_attempt_at)) is None


async def test_resource_that_is_gone_closes_its_notification(stack: Stack) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    del stack.played.resources[OFFER]
    await again(stack)
    assert [item.state for item in await notifications(stack)] == [NotificationState.CLOSED]


async def test_notification_expires_when_nobody_can_act_any_more_and_a_late_one_never_opens(stack: Stack) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    for days, expired in ((14, 0), (16, 1), (17, 0)):
        async with stack.sessions.begin() as session:
            assert await expire_notifications(session, now=NOW + timedelta(days=days)) == expired
    [ended] = await notifications(stack)
    assert ended.state is NotificationState.EXPIRED
    assert [message.type for message in await messages(stack)] == ["notification.closed"]
    stack.now = NOW + timedelta(days=20)
    await again(stack)
    assert [item.state for item in await notifications(stack)] == [NotificationState.EXPIRED]
    stack.played.resources["/enrolment_intents/ei_late"] = {
        "status": "action_required",
        "action_required": WORDS,
        "employee_id": EMPLOYEE_ID,
    }
    await stack.deliver(event(2, "enrolment_intent.action_required", enrolment_intent_id="ei_late"))
    await stack.process()
    assert len(await notifications(stack)) == 1


async def test_deadline_that_passes_between_two_looks_expires_the_notification(stack: Stack) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    stack.now = NOW + timedelta(days=20)
    await again(stack)
    assert [item.state for item in await notifications(stack)] == [NotificationState.EXPIRED]


async def test_enrolment_concerns_the_employer_and_customer_of_our_record(stack: Stack) -> None:
    await add_people(stack, external_customer="customer-7")
    stack.played.resources["/enrolment_intents/ei_1"] = ASKING | {"employee_id": EMPLOYEE_ID}
    found = await concerned(stack, "enrolment_intent.action_required", enrolment_intent_id="ei_1")
    assert (found.kota_employer_id, found.kota_employee_id, found.external_customer_id) == (
        EMPLOYER_ID,
        EMPLOYEE_ID,
        "customer-7",
    )
    assert f"/employees/{EMPLOYEE_ID}" not in stack.played.asked


@pytest.mark.parametrize("known", [True, False])
async def test_enrolment_of_a_stranger_concerns_whom_kota_says(stack: Stack, known: bool) -> None:
    stack.played.resources["/enrolment_intents/ei_1"] = ASKING | {"employee_id": "ee_9"}
    if known:
        stack.played.resources["/employees/ee_9"] = {"id": "ee_9", "employer_id": "er_9", "external_customer_id": "c9"}
    found = await concerned(stack, "enrolment_intent.action_required", enrolment_intent_id="ei_1")
    expected = ("er_9", "ee_9", "c9") if known else (None, "ee_9", None)
    assert (found.kota_employer_id, found.kota_employee_id, found.external_customer_id) == expected


async def test_group_intents_concern_the_employer_of_their_group(stack: Stack) -> None:
    stack.played.resources["/group_quote_intents/gqi_1"] = ASKING | {"group_id": "gr_1"}
    stack.played.resources["/groups/gr_1"] = {"id": "gr_1", "employer_id": EMPLOYER_ID}
    found = await concerned(stack, "group_quote_intent.action_required", group_quote_intent_id="gqi_1")
    assert (found.kota_employer_id, found.audience) == (EMPLOYER_ID, NotificationAudience.EMPLOYER)


async def test_dependents_management_concerns_the_employee_of_its_parent_enrolment(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources["/dependents_management_intents/dmi_1"] = ASKING | {
        "parent_intent_id": "ei_1",
        "parent_intent_type": "enrolment_intent",
    }
    stack.played.resources["/enrolment_intents/ei_1"] = {"status": "processing", "employee_id": EMPLOYEE_ID}
    found = await concerned(
        stack,
        "dependents_management_intent.action_required",
        dependents_management_intent_id="dmi_1",
        parent_intent_id="8c4e5bb2-0000-0000-0000-000000000000",
    )
    assert (found.kota_employer_id, found.kota_employee_id) == (EMPLOYER_ID, EMPLOYEE_ID)


@pytest.mark.parametrize("names_employee", [True, False])
async def test_dependents_management_of_an_amendment_is_found_by_earlier_events(
    stack: Stack, names_employee: bool
) -> None:
    await add_people(stack)
    stack.played.resources["/dependents_management_intents/dmi_1"] = ASKING | {
        "parent_intent_id": "pai_1",
        "parent_intent_type": "policy_amendment_intent",
    }
    stack.played.resources["/policies/p_1"] = {"id": "p_1", "employee_id": EMPLOYEE_ID}
    people = {"employee_id": EMPLOYEE_ID, "employer_id": EMPLOYER_ID} if names_employee else {}
    await stack.deliver(
        event(2, "policy_amendment_intent.processing", policy_amendment_intent_id="pai_1", policy_id="p_1", **people)
    )
    found = await concerned(
        stack, "dependents_management_intent.action_required", dependents_management_intent_id="dmi_1"
    )
    assert (found.kota_employer_id, found.kota_employee_id) == (EMPLOYER_ID, EMPLOYEE_ID)


async def test_amendment_without_names_concerns_the_employee_of_its_policy(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources["/policies/p_1/policy_amendment_intents/pai_1"] = ASKING | {"policy_id": "p_1"}
    stack.played.resources["/policies/p_1"] = {"id": "p_1", "employee_id": EMPLOYEE_ID}
    found = await concerned(
        stack, "policy_amendment_intent.action_required", policy_amendment_intent_id="pai_1", policy_id="p_1"
    )
    assert (found.kota_employer_id, found.kota_employee_id) == (EMPLOYER_ID, EMPLOYEE_ID)


@pytest.mark.parametrize("parent", [None, "ei_gone"])
async def test_action_that_concerns_nobody_we_can_find_is_still_kept(stack: Stack, parent: str | None) -> None:
    stack.played.resources["/dependents_management_intents/dmi_1"] = ASKING | {"parent_intent_id": parent}
    found = await concerned(
        stack, "dependents_management_intent.action_required", dependents_management_intent_id="dmi_1"
    )
    assert (found.kota_employer_id, found.kota_employee_id) == (None, None)


async def test_what_is_asked_again_in_the_same_words_is_seen_again_by_who_dismissed_it(stack: Stack) -> None:
    stack.played.resources[OFFER] = offer()
    await stack.deliver(told(1))
    await stack.process()
    [opened] = await notifications(stack)
    async with stack.sessions.begin() as session:
        session.add(
            NotificationDismissal(
                notification_id=opened.id, subject_digest=b"me", content_digest=opened.content_digest[:SEEN_BYTES]
            )
        )
    dismissals = select(NotificationDismissal)
    for status, left in (("action_required", 1), ("accepted", 1), ("action_required", 0)):
        stack.played.resources[OFFER] = offer(status)
        await again(stack)
        async with stack.sessions() as session:
            assert len((await session.scalars(dismissals)).all()) == left
    [reopened] = await notifications(stack)
    assert (reopened.id, reopened.content_digest) == (opened.id, opened.content_digest)


async def test_quote_expires_when_its_own_resource_says(stack: Stack) -> None:
    stack.played.resources["/group_quote_intents/gqi_1"] = {"status": "quote_available", "group_id": "gr_1"}
    stack.played.resources["/group_quote_intents/gqi_1/quote"] = {"expires_at": "2026-04-01T00:00:00Z"}
    found = await concerned(stack, "group_quote_intent.quote_available", group_quote_intent_id="gqi_1")
    assert found.due_on == date(2026, 4, 1)


async def test_quote_that_is_gone_has_no_day(stack: Stack) -> None:
    stack.played.resources["/group_quote_intents/gqi_1"] = {"status": "quote_available"}
    found = await concerned(stack, "group_quote_intent.quote_available", group_quote_intent_id="gqi_1")
    assert (found.due_on, found.kota_employer_id) == (None, None)


async def test_changed_status_is_told_to_the_host_once_and_a_report_when_its_lines_are_read(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources["/contribution_reports/ctr_1"] = {
        "id": "ctr_1",
        "employer_id": EMPLOYER_ID,
        "status": "finalized",
        "period": {"from_date": "2026-03-01", "to_date": "2026-03-31"},
    }
    stack.played.resources[f"/employers/{EMPLOYER_ID}"] = {"id": EMPLOYER_ID, "status": "active"}
    await stack.deliver(
        event(1, "contribution_report.finalized", id="ctr_1"), event(2, "employer.updated", id=EMPLOYER_ID)
    )
    await stack.process()
    await stack.deliver(event(3, "employer.updated", id=EMPLOYER_ID))
    await again(stack)
    async with stack.sessions() as session:
        [status] = await session.scalars(select(OutboxMessage))
    assert status.content
    assert (status.object, status.version) == ("employer_status/acme", 1)
    assert (status.type, status.content["kota_status"]) == ("employer.status_changed", "active")
