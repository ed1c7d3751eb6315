from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from app.models import OutboxMessage, OutboxState
from app.outbox.messages import MessageType, tell_host
from tests.databases import NewDatabase
from tests.integration.application import SERVICE_KEY, Application, open_application

KEY = {"Authorization": f"Bearer {SERVICE_KEY}"}
DEAD, DELIVERED, PENDING = OutboxState.DEAD, OutboxState.DELIVERED, OutboxState.PENDING


@pytest.fixture
async def application(new_database: NewDatabase) -> AsyncIterator[Application]:
    async with open_application(new_database()) as application:
        application.http.headers.update(KEY)
        yield application


async def tell(application: Application, object: str, state: OutboxState = PENDING) -> None:
    async with application.app.state.services.sessions.begin() as session:
        await tell_host(session, MessageType.SYNC_REJECTED, object=object, content={"ref": "secret"})
        if state is not PENDING:
            await session.execute(
                update(OutboxMessage)
                .where(OutboxMessage.object == object)
                .values(state=state, attempts=9, next_attempt_at=None, error_code="status_500")
            )


async def get(application: Application, **query: Any) -> Any:
    answer = await application.http.get("/internal/outbox", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_messages_are_shown_without_what_they_say(application: Application) -> None:
    await tell(application, "notification/1", DEAD)
    [shown] = (await get(application))["items"]
    assert shown.pop("changed_at")
    assert shown == {
        "id": "notification/1",
        "version": 1,
        "type": "sync.rejected",
        "state": "dead",
        "attempts": 9,
        "next_attempt_at": None,
        "delivered_at": None,
        "last_error": {"code": "status_500"},
    }


async def test_list_is_by_id_in_pages_and_can_be_filtered(application: Application) -> None:
    for number in range(5):
        await tell(application, f"notification/{number}", DEAD if number % 2 else PENDING)
    seen, cursor = [], None
    while True:
        page = await get(application, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"notification/{number}" for number in range(5)]
    assert [item["id"] for item in (await get(application, state="dead"))["items"]] == [
        "notification/1",
        "notification/3",
    ]


@pytest.mark.parametrize("address", ["sync/employee/a.b:c", "sync%2Femployee%2Fa.b:c"])
async def test_dead_message_is_pending_again_under_its_id_with_slashes(application: Application, address: str) -> None:
    await tell(application, "sync/employee/a.b:c", DEAD)
    answer = await application.http.post(f"/internal/outbox/{address}/replay")
    assert answer.status_code == 202, answer.text
    shown = answer.json()
    assert (shown["id"], shown["version"], shown["state"]) == ("sync/employee/a.b:c", 1, "pending")
    assert (shown["attempts"], shown["last_error"]) == (0, None)
    assert shown["next_attempt_at"]


async def test_what_was_delivered_or_never_was_cannot_be_told_again(application: Application) -> None:
    await tell(application, "notification/1", DELIVERED)
    answer = await application.http.post("/internal/outbox/notification/1/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_delivered")
    answer = await application.http.post("/internal/outbox/notification/2/replay")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await application.http.get("/internal/outbox?state=lost")).status_code == 422
    assert (await application.http.get("/internal/outbox?cursor=WyJhIiwiYiJd")).status_code == 422
    assert (await application.http.post("/internal/outbox/%00/replay")).status_code == 422
    assert (await application.http.get("/internal/audit")).json()["items"] == []
