from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.kota import KotaUnreadable
from tests.unit.kota.kota_double import Kota, client_of, ok, page

SINCE = datetime(2026, 3, 2, 10, 15, tzinfo=timezone(timedelta(hours=1)))


def row(number: int) -> dict[str, str]:
    return {"id": f"evt_{number}", "type": "employee.created", "created": "2026-03-02T09:15:00Z", "api_version": "1.0"}


async def test_events_come_oldest_first_in_pages() -> None:
    kota = Kota([page([row(1), row(2)], more=True, total=3), page([row(3)], total=3, number=2)])
    pages = [page async for page in client_of(kota).list_events(created_after=SINCE, version="v2")]
    assert [[event.id for event in page.events] for page in pages] == [["evt_1", "evt_2"], ["evt_3"]]
    assert {event.version for page in pages for event in page.events} == {"v2"}
    assert pages[0].events[0].created_at == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    assert dict(kota.requests[0].url.params) == {
        "created_after": "2026-03-02T09:15:00Z",
        "version": "v2",
        "order_direction": "asc",
        "page": "1",
        "page_size": "100",
    }


async def test_one_odd_row_does_not_hide_the_others() -> None:
    kota = Kota([page([row(1), {"type": "x"}, None, row(2)])])
    pages = [page async for page in client_of(kota).list_events(created_after=SINCE, version="v1")]
    assert [(len(page.events), page.unreadable) for page in pages] == [(2, 2)]


async def test_one_event_can_be_read() -> None:
    kota = Kota([ok({**row(1), "data": {"id": "ee_1"}})])
    event = await client_of(kota).get_event("evt_1")
    assert (event.id, event.version, event.data) == ("evt_1", "v1", {"id": "ee_1"})
    assert kota.last.url.path == "/events/evt_1"


async def test_what_is_no_event_is_unreadable() -> None:
    with pytest.raises(KotaUnreadable, match="not an event"):
        await client_of(Kota([ok({"id": "evt_1"})])).get_event("evt_1")


async def test_a_replay_tells_how_it_was_answered() -> None:
    delivery = {"delivery_id": "evtd_1", "success": False, "response_status_code": None, "elapsed_time_ms": 12.5}
    kota = Kota([ok({"event_id": "evt_1", "deliveries": [delivery]})])
    replay = await client_of(kota).replay_event("evt_1")
    assert [(one.delivery_id, one.success, one.response_status_code) for one in replay.deliveries] == [
        ("evtd_1", False, None)
    ]
    assert (kota.last.method, kota.last.url.path) == ("POST", "/events/evt_1/replay")
    assert kota.last.headers["idempotency-key"]
