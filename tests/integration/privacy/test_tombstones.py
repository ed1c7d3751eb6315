"""Of a person who was erased nobody is told anything any more, whatever Kota still asks of them."""

import asyncio
from contextvars import Context
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.models import (
    EventState,
    KotaResource,
    Notification,
    NotificationDismissal,
    NotificationState,
    OutboxMessage,
    OutboxState,
)
from app.privacy.erasure import erase_employee
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, get_event, get_resource
from tests.integration.events.test_lock_order import WAITING
from tests.integration.notifications.rows import OFFER, again, messages, notifications, offer, told
from tests.integration.privacy.rows import erase, leave
from tests.integration.stack import NOW, Stack
from tests.support.waiting import until

DUE = pytest.mark.parametrize("due_at", [None, "2026-03-16"])
ENDED = UUID(int=1)


async def ask(stack: Stack, **words: Any) -> None:
    """Kota asks a person who has left, and goes on asking."""
    await add_people(stack)
    await leave(stack)
    stack.played.resources[OFFER] = offer(**words)
    await stack.deliver(told(1))
    await stack.process()


@pytest.mark.threat(15)
@DUE
async def test_open_notification_ends_with_one_message_without_texts(stack: Stack, due_at: str | None) -> None:
    await ask(stack, due_at=due_at)
    [opened] = await messages(stack)
    assert opened.content
    async with stack.sessions.begin() as session:
        [asked] = await session.scalars(select(Notification))
        dismissal = {"notification_id": asked.id, "subject_digest": b"s", "content_digest": b"d"}
        session.add(NotificationDismissal(**dismissal))
        await session.execute(update(OutboxMessage).values(state=OutboxState.DELIVERED, content=None))
    for _ in range(2):
        await erase(stack)

    [closed] = await messages(stack)
    assert (closed.object, closed.version, closed.type) == (opened.object, 2, "notification.closed")
    assert (closed.state, closed.next_attempt_at is not None) == (OutboxState.PENDING, True)
    [left] = await notifications(stack)
    assert left.closed_at
    ended = {"state": "closed", "closed_at": left.closed_at.astimezone(UTC).isoformat(), "title": "", "body": None}
    assert closed.content == opened.content | ended
    assert (left.title, left.body, left.state) == ("", None, NotificationState.CLOSED)
    async with stack.sessions() as session:
        assert await session.scalar(select(NotificationDismissal)) is None


@pytest.mark.threat(15)
@pytest.mark.parametrize("state", OutboxState)
async def test_end_that_the_host_knows_is_forgotten_and_one_that_it_may_not_know_is_told(
    stack: Stack, state: OutboxState
) -> None:
    await add_people(stack)
    await leave(stack)
    asked: dict[str, Any] = {"kind": "policy", "resource_id": "po_1", "action": "a", "audience": "employee"}
    texts = {"title": "Mary", "body": "Mary", "content_digest": b"d" * 64}
    async with stack.sessions.begin() as session:
        over = {"state": NotificationState.EXPIRED, "closed_at": NOW, "kota_employee_id": EMPLOYEE_ID}
        session.add(Notification(id=ENDED, **asked, **texts, **over))
        message = {"type": "notification.closed", "state": state, "version": 3, "content": {"title": "Mary"}}
        session.add(OutboxMessage(object=f"notification/{ENDED}", **message))
    await erase(stack)
    if state is OutboxState.DELIVERED:
        assert (await notifications(stack), await messages(stack)) == ([], [])
        return
    [told_again] = await messages(stack)
    assert told_again.content
    assert (told_again.version, told_again.content["title"], told_again.content["body"]) == (4, "", None)
    assert (told_again.content["state"], told_again.content["closed_at"]) == ("expired", NOW.isoformat())


@pytest.mark.threat(15)
@DUE
async def test_what_kota_still_asks_is_neither_told_nor_polled(stack: Stack, due_at: str | None) -> None:
    await ask(stack, due_at=due_at)
    assert (await get_resource(stack, "employee_offer", "eeho_1")).next_attempt_at
    await erase(stack)
    assert (await get_resource(stack, "employee_offer", "eeho_1")).next_attempt_at is None

    await stack.deliver(told(2))
    await stack.process()
    assert (await get_event(stack, 2)).state is EventState.PROCESSED
    assert (await get_resource(stack, "employee_offer", "eeho_1")).next_attempt_at is None
    [left] = await notifications(stack)
    assert (left.title, left.state) == ("", NotificationState.CLOSED)
    [message] = await messages(stack)
    assert (message.version, message.type) == (2, "notification.closed")


@pytest.mark.threat(15)
async def test_offer_without_words_of_an_erased_person_is_not_polled_either(stack: Stack) -> None:
    await ask(stack)
    await erase(stack)
    stack.played.resources[OFFER] = offer() | {"required_action": None}
    await again(stack)
    assert (await get_resource(stack, "employee_offer", "eeho_1")).next_attempt_at is None


@pytest.mark.threat(15)
async def test_read_that_began_before_the_erasure_brings_nothing_back(stack: Stack) -> None:
    await ask(stack)
    async with stack.sessions.begin() as session:
        await session.execute(update(KotaResource).values(next_attempt_at=func.now()))
    reader = stack.reader()
    [job] = await stack.claimed(reader.lanes()[0])
    async with stack.sessions.begin() as erasing:
        await erase_employee(erasing, "mary", keyring=stack.keyring)
        # In a context of its own: it is not this transaction that calls Kota.
        reading = asyncio.create_task(reader.work(job), context=Context())

        async def waits() -> bool:
            return bool(await erasing.scalar(WAITING))

        await until(waits)
    await reading
    [left] = await notifications(stack)
    assert (left.title, left.state) == ("", NotificationState.CLOSED)
    [message] = await messages(stack)
    assert (message.version, message.type) == (2, "notification.closed")
    assert (await get_resource(stack, "employee_offer", "eeho_1")).next_attempt_at is None


async def test_erasure_stops_the_polls_of_this_person_and_loses_no_mark(stack: Stack) -> None:
    await add_people(stack)
    await leave(stack)
    soon = datetime.now(UTC)
    theirs = {"path_params": {"employee_id": EMPLOYEE_ID}, "next_attempt_at": soon}
    async with stack.sessions.begin() as session:
        session.add(KotaResource(kind="employee_offer", id="clean", clean_seq=1, **theirs))
        session.add(KotaResource(kind="employee_offer", id="dirty", **theirs))
        other = {"path_params": {"employee_id": "ee_2"}, "next_attempt_at": soon}
        session.add(KotaResource(kind="employee_offer", id="other", clean_seq=1, **other))
        # Neither it nor its events name anybody: whom it asks is known from its parent.
        session.add(KotaResource(kind="dependents_management_intent", id="child", clean_seq=1, next_attempt_at=soon))
        asked: dict[str, Any] = {"kind": "dependents_management_intent", "resource_id": "child", "action": "a"}
        person = {"audience": "employee", "kota_employer_id": EMPLOYER_ID, "kota_employee_id": EMPLOYEE_ID}
        session.add(Notification(**asked, **person, title="Mary", content_digest=b"d" * 64))
    await erase(stack)
    async with stack.sessions() as session:
        due = select(KotaResource.id).where(KotaResource.next_attempt_at.is_not(None)).order_by(KotaResource.id)
        assert (await session.scalars(due)).all() == ["dirty", "other"]


async def test_person_of_whom_the_host_speaks_again_is_asked_again_under_the_same_id(stack: Stack) -> None:
    await ask(stack)
    await erase(stack)
    await leave(stack, kota_status="active", desired_digest=b"d" * 32)
    await stack.deliver(told(2))
    await stack.process()
    [opened] = await notifications(stack)
    assert (opened.title, opened.state) == ("Respond", NotificationState.OPEN)
    [message] = await messages(stack)
    assert (message.version, message.type) == (3, "notification.opened")
