import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import LargeBinary, case, func, literal, select, type_coerce, update
from standardwebhooks.webhooks import Webhook

from app.db.encryption import Keyring
from app.models import OutboxMessage, OutboxState
from app.outbox.delivery import Host
from app.outbox.messages import MessageType, tell_host
from app.outbox.replay import list_messages, replay_dead
from app.outbox.work import LEAST_ATTEMPTS, DeliveryRules, outbox_lane
from app.queue.backoff import Backoff
from app.queue.lanes import Lane
from tests.integration.stack import Stack

SECRET = "whsec_" + base64.b64encode(b"made up for these tests").decode()
RULES = DeliveryRules(
    lease=timedelta(seconds=60), backoff=Backoff(timedelta(0), timedelta(0)), give_up_after=timedelta(days=3)
)
GOOD = httpx.Response(200)
OBJECT = "notification/1"
Answer = Callable[[httpx.Request], httpx.Response]


class PlayedHost:
    """A host's endpoint that keeps what it was sent."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _request: httpx.Response(204)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.answer(request)

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.seen]


def lane(stack: Stack, host: PlayedHost) -> Lane[object]:
    http = httpx.AsyncClient(transport=httpx.MockTransport(host))
    made: Any = outbox_lane(
        stack.sessions,
        host=Host(http, url="http://host.test/hook", secret=SECRET, within=timedelta(seconds=15)),
        rules=RULES,
        clock=lambda: datetime.now(UTC),
    )
    # What a job is matters to the lane alone.
    return cast("Lane[object]", made)


async def deliver(stack: Stack, host: PlayedHost, *, rounds: int = 1) -> None:
    telling = lane(stack, host)
    for _ in range(rounds):
        async with stack.sessions.begin() as session:
            jobs = await telling.claim(session, 10)
        for job in jobs:
            await telling.work(job)


async def tell(stack: Stack, **content: object) -> int:
    async with stack.sessions.begin() as session:
        return await tell_host(session, MessageType.NOTIFICATION_OPENED, object=OBJECT, content=content)


async def grow_old(stack: Stack) -> None:
    """Three days pass."""
    ago = func.now() - timedelta(days=3)
    replayed = case((OutboxMessage.replayed_at.is_not(None), ago))
    async with stack.sessions.begin() as session:
        await session.execute(update(OutboxMessage).values(changed_at=ago, replayed_at=replayed))


async def message(stack: Stack) -> OutboxMessage:
    async with stack.sessions() as session:
        return await session.get_one(OutboxMessage, OBJECT)


async def test_message_is_signed_and_whole_and_forgotten_once_it_arrived(stack: Stack) -> None:
    host = PlayedHost()
    await tell(stack, title="Grüße")
    await deliver(stack, host, rounds=2)
    [request] = host.seen
    Webhook(SECRET).verify(request.content, dict(request.headers))
    body = json.loads(request.content)
    assert (body["type"], body["object"], body["version"]) == ("notification.opened", OBJECT, 1)
    assert body["data"] == {"title": "Grüße"}
    assert request.headers["webhook-id"] == f"{OBJECT}:1"
    done = await message(stack)
    assert (done.state, done.content) == (OutboxState.DELIVERED, None)
    assert done.delivered_at


@pytest.mark.parametrize(
    ("object", "id_"),
    [
        ("sync/employee/m-1_2:3", "sync/employee/m-1_2:3:1"),
        ("sync/employee/mary.jones", "sync/employee/mary%2Ejones:1"),
        ("sync/employee/mary%2Ejones", "sync/employee/mary%252Ejones:1"),
        ("contribution_report/ü \r\n", "contribution_report/%C3%BC%20%0D%0A:1"),
    ],
)
async def test_id_of_a_message_has_no_dot_and_nothing_else_that_a_header_or_signature_cannot_hold(
    stack: Stack, object: str, id_: str
) -> None:
    host = PlayedHost()
    async with stack.sessions.begin() as session:
        await tell_host(session, MessageType.SYNC_REJECTED, object=object, content={})
    await deliver(stack, host)
    [request] = host.seen
    assert request.headers["webhook-id"] == id_
    Webhook(SECRET).verify(request.content, dict(request.headers))
    assert json.loads(request.content)["object"] == object


async def test_failed_message_comes_again_under_the_same_id_with_the_same_bytes(stack: Stack) -> None:
    host = PlayedHost()

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    answers: Iterator[Answer] = iter(
        [away, lambda _request: httpx.Response(500), lambda _request: httpx.Response(302), lambda _request: GOOD]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        return next(answers)(request)

    host.answer = answer
    await tell(stack, title="x")
    await deliver(stack, host, rounds=3)
    assert (await message(stack)).error_code == "status_302"
    await deliver(stack, host, rounds=2)
    assert host.ids() == [f"{OBJECT}:1"] * 4
    assert len({request.content for request in host.seen}) == 1
    assert (await message(stack)).state is OutboxState.DELIVERED


async def test_older_version_that_was_not_delivered_is_dropped_for_a_newer(stack: Stack) -> None:
    host = PlayedHost()
    assert [await tell(stack, n=number) for number in range(3)] == [1, 2, 3]
    await deliver(stack, host)
    assert host.ids() == [f"{OBJECT}:3"]
    assert await tell(stack, n=4) == 4
    await deliver(stack, host)
    assert host.ids() == [f"{OBJECT}:3", f"{OBJECT}:4"]


@pytest.mark.parametrize("status", [200, 500])
async def test_version_that_comes_during_a_delivery_goes_out_at_once(stack: Stack, status: int) -> None:
    host = PlayedHost()
    host.answer = lambda _request: httpx.Response(status)
    await tell(stack, n=1)
    telling = lane(stack, host)
    async with stack.sessions.begin() as session:
        [job] = await telling.claim(session, 10)
    await tell(stack, n=2)
    await telling.work(job)
    host.answer = lambda _request: httpx.Response(200)
    await deliver(stack, host)
    assert host.ids() == [f"{OBJECT}:1", f"{OBJECT}:2"]
    assert (await message(stack)).state is OutboxState.DELIVERED


async def test_message_is_dead_after_three_days_and_can_be_replayed(stack: Stack) -> None:
    host = PlayedHost()
    host.answer = lambda _request: httpx.Response(500)
    await tell(stack, n=1)
    await grow_old(stack)
    await deliver(stack, host, rounds=LEAST_ATTEMPTS + 2)
    dead = await message(stack)
    assert (dead.state, dead.error_code, len(host.seen)) == (OutboxState.DEAD, "status_500", LEAST_ATTEMPTS)
    assert await replay_dead(stack.sessions) == 1
    # Its three days begin anew, and what it says is what it said.
    await deliver(stack, host, rounds=LEAST_ATTEMPTS + 2)
    assert (await message(stack)).state is OutboxState.PENDING
    host.answer = lambda _request: httpx.Response(200)
    await deliver(stack, host)
    assert (await message(stack)).state is OutboxState.DELIVERED
    assert set(host.ids()) == {f"{OBJECT}:1"}
    assert len({request.content for request in host.seen}) == 1


async def test_message_that_grew_old_untold_is_tried_as_often_as_others_before_it_is_given_up(stack: Stack) -> None:
    host = PlayedHost()
    host.answer = lambda _request: httpx.Response(500)
    await tell(stack, n=1)
    await grow_old(stack)
    await deliver(stack, host, rounds=LEAST_ATTEMPTS - 1)
    assert (await message(stack)).state is OutboxState.PENDING
    await deliver(stack, host)
    assert (await message(stack)).state is OutboxState.DEAD
    # One that is replayed starts anew in both.
    assert await replay_dead(stack.sessions) == 1
    await grow_old(stack)
    await deliver(stack, host, rounds=LEAST_ATTEMPTS - 1)
    assert (await message(stack)).state is OutboxState.PENDING
    await deliver(stack, host)
    assert (await message(stack)).state is OutboxState.DEAD


async def test_message_under_a_lost_key_fails_alone_and_goes_out_once_the_key_is_back(stack: Stack) -> None:
    host = PlayedHost()
    await tell(stack, title="x")
    async with stack.sessions.begin() as session:
        await session.execute(update(OutboxMessage).values(next_attempt_at=func.now() - timedelta(hours=1)))
        sealed = await session.scalar(select(type_coerce(OutboxMessage.content, LargeBinary)))
        lost = literal(Keyring([Fernet.generate_key().decode()]).encrypt(b"{}"), LargeBinary)
        await session.execute(update(OutboxMessage).values(content=lost))
        await tell_host(session, MessageType.SYNC_REJECTED, object="sync/employee/mary", content={})
    await deliver(stack, host)
    assert host.ids() == ["sync/employee/mary:1"]
    async with stack.sessions.begin() as session:
        [waiting] = await list_messages(session, state=OutboxState.PENDING, after=None, limit=10)
        assert (waiting.object, waiting.error_code, waiting.attempts) == (OBJECT, "undecryptable", 1)
        await session.execute(
            update(OutboxMessage).where(OutboxMessage.object == OBJECT).values(content=literal(sealed, LargeBinary))
        )
    await deliver(stack, host)
    assert host.ids()[1:] == [f"{OBJECT}:1"]
    assert json.loads(host.seen[1].content)["data"] == {"title": "x"}


@pytest.mark.parametrize("status", [200, 500])
async def test_late_result_of_a_lost_lease_is_not_written(stack: Stack, status: int) -> None:
    host = PlayedHost()
    host.answer = lambda _request: httpx.Response(status)
    await tell(stack, n=1)
    telling = lane(stack, host)
    async with stack.sessions.begin() as session:
        [job] = await telling.claim(session, 10)
    async with stack.sessions.begin() as session:
        await session.execute(update(OutboxMessage).values(lease_token=func.gen_random_uuid()))
    await telling.work(job)
    assert (await message(stack)).state is OutboxState.PENDING


async def test_job_that_is_handed_back_is_free_for_others(stack: Stack) -> None:
    await tell(stack, n=1)
    telling = lane(stack, PlayedHost())
    async with stack.sessions.begin() as session:
        jobs = await telling.claim(session, 10)
        await telling.release(session, jobs)
        assert len(await telling.claim(session, 10)) == 1


def test_secret_that_is_no_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        Host(httpx.AsyncClient(), url="http://host.test", secret="no base64!", within=timedelta(seconds=1))
