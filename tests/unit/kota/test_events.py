from datetime import UTC, datetime, timedelta, timezone

from tests.unit.kota.kota_double import Kota, client_of, page

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
