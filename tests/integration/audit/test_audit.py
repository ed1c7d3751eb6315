from datetime import UTC, datetime, timedelta

import pytest

from app.audit.trail import record, record_command
from app.auth.scopes import ALL_SCOPES
from app.auth.service_keys import ServiceCaller
from app.web.pagination import encode_cursor
from tests.support.app import Host, RunningApp

PAYROLL = ServiceCaller("payroll", ALL_SCOPES)


async def write(app: RunningApp, count: int = 5) -> None:
    async with app.app.state.services.sessions.begin() as session:
        for number in range(count):
            await record(
                session, PAYROLL, action="employee.put", subject=f"employee:e{number}", request_id=f"r{number}"
            )
        await record_command(session, action="service_key.revoke", subject="service_key:old")


async def test_trail_is_read_newest_first(app: RunningApp, host: Host) -> None:
    await write(app)
    body = (await app.http.get("/internal/audit", headers=host.service)).json()

    assert [item["subject"] for item in body["items"]] == ["service_key:old"] + [
        f"employee:e{number}" for number in (4, 3, 2, 1, 0)
    ]
    assert body["next_cursor"] is None
    newest, second = body["items"][:2]
    assert (newest["actor"], newest["request_id"][:4]) == ("cli", "cli-")
    assert (second["actor"], second["action"], second["request_id"]) == ("payroll", "employee.put", "r4")


async def test_pages_cover_the_trail_without_gap_or_repeat(app: RunningApp, host: Host) -> None:
    await write(app)
    seen, query = [], {"limit": "2"}
    while True:
        page = (await app.http.get("/internal/audit", params=query, headers=host.service)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"actor": "cli"}, 1),
        ({"actor": "payroll"}, 5),
        ({"action": "employee.put"}, 5),
        ({"subject": "employee:e3"}, 1),
        ({"subject": "employee:e3", "actor": "cli"}, 0),
        ({"since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}, 6),
        ({"since": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, 0),
    ],
)
async def test_filters(app: RunningApp, host: Host, query: dict[str, str], found: int) -> None:
    await write(app)
    answer = await app.http.get("/internal/audit", params=query, headers=host.service)
    assert len(answer.json()["items"]) == found


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": encode_cursor("a")},
        {"cursor": encode_cursor("-1")},
        {"cursor": encode_cursor("1", "2")},
        {"cursor": encode_cursor("9" * 19)},
        {"cursor": encode_cursor("9" * 50)},
        {"limit": "0"},
        {"limit": "201"},
        {"since": "yesterday"},
        {"since": "2024-01-01T00:00:00"},
        {"subject": ""},
        {"subject": "x" * 256},
        {"actor": "a\u202eb"},
    ],
)
async def test_what_is_no_filter_is_refused(app: RunningApp, host: Host, query: dict[str, str]) -> None:
    answer = await app.http.get("/internal/audit", params=query, headers=host.service)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


@pytest.mark.threat(16)
async def test_entry_goes_with_the_change_that_is_rolled_back(app: RunningApp, host: Host) -> None:
    session = app.app.state.services.sessions()
    async with session, session.begin() as transaction:
        await record(session, PAYROLL, action="employee.put", subject="employee:e1", request_id="r")
        await transaction.rollback()
    assert (await app.http.get("/internal/audit", headers=host.service)).json()["items"] == []
