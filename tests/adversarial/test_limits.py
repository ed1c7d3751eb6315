"""What a body, a query or a flood may cost."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from app.auth.doors import Door, doors_of
from app.kota import SIGNATURE_HEADER, sign
from app.main import ROUTERS
from app.web.pagination import get_page
from app.webhooks.intake import Intake, Limits
from tests.adversarial.bodies import JSON_DOORS, address, credential, packed
from tests.support.app import Host, RunningApp

PACKED = packed()
BATCH = Door("/internal/batches", "POST", "service key", "sync", "")
LISTS = [
    door
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and get_page in {call.call for call in route.dependant.dependencies}
    for door in doors_of([router])
    if (door.path, door.method) == (route.path, "GET")
]
HOSTILE_KEYS = [
    *("", "a\x00b", "\ud800", "' OR 1=1 --", "9" * 300, "-1", "1e9", "infinity", "-infinity", "\u0663"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01", "2026-01-01T00:00:00", "10000-01-01"),
    *("9223372036854775808", "00000000-0000-0000-0000-000000000000"),
]
SECRET = b"made-up-webhook-secret"


def signed(body: bytes) -> dict[str, str]:
    return {SIGNATURE_HEADER: sign(body, secret=SECRET, at=datetime.now(UTC))}


@pytest.mark.threat(7)
@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("door", [*JSON_DOORS, BATCH], ids=lambda door: f"{door.method} {door.path}")
async def test_packed_body_is_refused_and_never_unpacked(
    shared_app: RunningApp, host: Host, door: Door, packing: str
) -> None:
    kind = "application/x-ndjson" if door == BATCH else "application/json"
    headers = credential(door, host) | {"Content-Type": kind, "Content-Encoding": packing}
    answer = await shared_app.http.request(door.method, address(door), content=PACKED[packing], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), answer.text
    assert "Content-Encoding" in answer.json()["detail"]


@pytest.mark.threat(7)
@pytest.mark.parametrize("packing", PACKED)
async def test_packed_delivery_is_what_was_signed_and_no_event(shared_app: RunningApp, packing: str) -> None:
    body = PACKED[packing][:1_000_000]
    unsigned = await shared_app.http.post("/webhooks/kota", content=body, headers={"Content-Encoding": packing})
    assert unsigned.status_code == 401
    headers = signed(body) | {"Content-Encoding": packing}
    answer = await shared_app.http.post("/webhooks/kota", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_an_event")


@pytest.mark.threat(7)
@pytest.mark.parametrize("door", JSON_DOORS, ids=lambda door: f"{door.method} {door.path}")
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_body_over_its_limit_is_refused_by_every_route(
    shared_app: RunningApp, host: Host, door: Door, declared: bool
) -> None:
    body = b" " * (256 * 1024 + 1)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    headers = credential(door, host) | {"Content-Type": "application/json"}
    content = body if declared else chunks()
    answer = await shared_app.http.request(door.method, address(door), content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large"), answer.text


@pytest.mark.threat(7)
@pytest.mark.parametrize(
    "limit", ["0", "-1", "201", "1e2", "10.5", "NaN", "\u0663", "999999999999999999999", "0x10", "", "1,2"]
)
@pytest.mark.parametrize("door", LISTS, ids=lambda door: door.path)
async def test_list_is_as_long_as_its_bound_says(shared_app: RunningApp, host: Host, door: Door, limit: str) -> None:
    answer = await shared_app.http.get(door.path, params={"limit": limit}, headers=credential(door, host))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text


DEEP = urlsafe_b64encode(b"[" * 700).decode()


def cursor_of(document: object) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@pytest.mark.threat(7)
@pytest.mark.parametrize("door", LISTS, ids=lambda door: door.path)
async def test_what_is_no_cursor_is_refused(shared_app: RunningApp, host: Host, door: Door) -> None:
    path = door.path.replace("{id}", str(UUID(int=1))).replace("{report_id}", "ctr_1")
    for cursor in (
        "!",
        "a",
        "\u0663",
        "e30",
        cursor_of([1]),
        cursor_of({"a": "b"}),
        cursor_of([["a"]]),
        DEEP,
        "x" * 2000,
    ):
        answer = await shared_app.http.get(path, params={"cursor": cursor}, headers=credential(door, host))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (cursor, answer.text)


@pytest.mark.threat(7)
@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
@pytest.mark.parametrize("door", LISTS, ids=lambda door: door.path)
async def test_cursor_that_no_list_gave_out_breaks_nothing(
    shared_app: RunningApp, host: Host, door: Door, key: str
) -> None:
    path = door.path.replace("{id}", str(UUID(int=1))).replace("{report_id}", "ctr_1")
    for parts in range(4):
        for cursor in (cursor_of([key] * parts), cursor_of(["2026-01-01T00:00:00+00:00", *[key] * parts])):
            answer = await shared_app.http.get(path, params={"cursor": cursor}, headers=credential(door, host))
            # Where any text is a place in the list, it leads to no more than the list has.
            assert answer.status_code in {200, 404, 422}, answer.text


@pytest.mark.threat(21)
async def test_flood_of_deliveries_is_told_when_to_come_back(app: RunningApp) -> None:
    services = app.app.state.services
    async with Intake(services.engine, limits=Limits(waiting=0)).running() as full:
        app.app.state.intake = full
        body = b'{"id": "evt_1", "type": "t"}'
        answer = await app.http.post("/webhooks/kota", content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    async with services.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM kota_events")) == 0


@pytest.mark.threat(21)
async def test_flood_of_forged_deliveries_costs_no_statement(app: RunningApp) -> None:
    pool = app.app.state.services.engine.pool
    before = pool.status()
    for number in range(200):
        body = b'{"id": "evt_%d", "type": "t"}' % number
        headers = {SIGNATURE_HEADER: sign(body, secret=b"somebody else's", at=datetime.now(UTC))}
        assert (await app.http.post("/webhooks/kota", content=body, headers=headers)).status_code == 401
    assert pool.status() == before
