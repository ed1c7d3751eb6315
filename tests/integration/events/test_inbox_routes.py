from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from app.models import EventState, KotaEvent
from app.webhooks.store import NewEvent, store_delivered
from tests.databases import NewDatabase
from tests.integration.application import SERVICE_KEY, Application, open_application

KEY = {"Authorization": f"Bearer {SERVICE_KEY}"}


@pytest.fixture
async def application(new_database: NewDatabase) -> AsyncIterator[Application]:
    async with open_application(new_database()) as application:
        application.http.headers.update(KEY)
        yield application


async def store(application: Application, *ids: str, type: str = "t", state: EventState | None = None) -> None:
    services = application.app.state.services
    for id_ in ids:
        async with services.engine.begin() as connection:
            await store_delivered(connection, [NewEvent(id_, type, "v2", b"sealed")])
        if state:
            async with services.sessions.begin() as session:
                await session.execute(
                    update(KotaEvent)
                    .where(KotaEvent.id == id_)
                    .values(state=state, attempts=12, error_code="status_500")
                )


async def get(application: Application, path: str, **query: Any) -> Any:
    answer = await application.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_events_are_shown_without_their_bodies(application: Application) -> None:
    await store(application, "evt_1", state=EventState.DEAD)
    shown = await get(application, "/internal/events/evt_1")
    assert shown.pop("received_at")
    assert shown == {
        "id": "evt_1",
        "type": "t",
        "version": "v2",
        "state": "dead",
        "deliveries": 1,
        "attempts": 12,
        "processed_at": None,
        "last_error": {"code": "status_500"},
    }


async def test_list_goes_from_new_to_old_in_pages_and_can_be_filtered(application: Application) -> None:
    await store(application, "evt_1", "evt_2", "evt_3")
    await store(application, "evt_4", type="other", state=EventState.DEAD)
    seen, cursor = [], None
    while True:
        page = await get(application, "/internal/events", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["evt_4", "evt_3", "evt_2", "evt_1"]
    for query in ({"state": "dead"}, {"type": "other"}):
        assert [item["id"] for item in (await get(application, "/internal/events", **query))["items"]] == ["evt_4"]
    received = (await get(application, "/internal/events/evt_2"))["received_at"]
    older = await get(application, "/internal/events", received_until=received)
    newer = await get(application, "/internal/events", received_from=received)
    assert [item["id"] for item in older["items"]] == ["evt_1"]
    assert [item["id"] for item in newer["items"]] == ["evt_4", "evt_3", "evt_2"]


async def test_replay_of_one_makes_it_pending(application: Application) -> None:
    await store(application, "evt_1", state=EventState.DEAD)
    answer = await application.http.post("/internal/events/evt_1/replay")
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["attempts"], answer.json()["last_error"]) == ("pending", 0, None)
    assert (await application.http.post("/internal/events/evt_2/replay")).status_code == 404


async def test_replay_of_many_takes_those_that_fit(application: Application) -> None:
    await store(application, "evt_1", "evt_2", state=EventState.DEAD)
    await store(application, "evt_3", type="other", state=EventState.DEAD)
    await store(application, "evt_4", state=EventState.PROCESSED)
    answer = await application.http.post("/internal/events/replay", json={"state": "dead", "type": "t"})
    assert (answer.status_code, answer.json()) == (202, {"replayed": 2})
    assert (await get(application, "/internal/events/evt_3"))["state"] == "dead"
    everything = {"received_from": "2000-01-01T00:00:00Z", "received_until": "2100-01-01T00:00:00Z"}
    assert (await application.http.post("/internal/events/replay", json=everything)).json() == {"replayed": 4}


@pytest.mark.parametrize("wanted", [{}, {"state": "lost"}, {"id": "evt_1"}, {"received_from": "2026-01-01T00:00:00"}])
async def test_replay_of_everything_or_nothing_is_refused(application: Application, wanted: dict[str, str]) -> None:
    assert (await application.http.post("/internal/events/replay", json=wanted)).status_code == 422


async def test_what_cannot_be_stored_is_asked_for_in_vain(application: Application) -> None:
    assert (await application.http.get("/internal/events/%00")).status_code == 422
    assert (await application.http.get("/internal/events?type=%00")).status_code == 422
    assert (await application.http.get("/internal/events/evt_none")).status_code == 404
    assert (await application.http.get("/internal/events?cursor=WyJhIiwiYiJd")).status_code == 422


async def test_without_a_key_nothing_is_shown(application: Application) -> None:
    del application.http.headers["Authorization"]
    assert (await application.http.get("/internal/events")).status_code == 401
    assert (await application.http.post("/internal/events/evt_1/replay")).status_code == 401
