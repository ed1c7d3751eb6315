"""Every route that takes an instant takes each that PostgreSQL can hold, and says what is wrong with any other."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.main import create_app
from tests.support.app import Host, RunningApp, settings_for

Place = tuple[str, str, str, str]
"""A method and a path, where in the request the instant stands, and under which name."""
EDGES = ["0001-01-01T00:00:00Z", "0001-01-01T14:00:00+14:00", "9999-12-31T23:59:59.999999Z"]
BEYOND = ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.5+00:01", "9999-12-31T23:59:59-14:00"]


def _places() -> Iterator[Place]:
    """Read from our own description, so that no later route is forgotten."""
    document = create_app(settings_for("postgresql://nowhere/x", host=Host())).openapi()
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if _is_instant(parameter["schema"]):
                    yield method.upper(), path, parameter["in"], parameter["name"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            schema = schemas.get(body.get("$ref", "").rpartition("/")[2], {})
            for name, property_ in schema.get("properties", {}).items():
                if _is_instant(property_):
                    yield method.upper(), path, "body", name


def _is_instant(schema: dict[str, Any]) -> bool:
    return '"date-time"' in json.dumps(schema)


PLACES = list(_places())


def test_places_are_found() -> None:
    assert {path for _, path, _, _ in PLACES} == {
        *("/internal/audit", "/internal/employers", "/internal/employees"),
        *("/internal/events", "/internal/events/replay", "/internal/events/reconcile"),
    }


async def _asked(app: RunningApp, host: Host, place: Place, instant: str) -> httpx.Response:
    method, path, where, name = place
    if where == "body":
        return await app.http.request(method, path, headers=host.service, json={name: instant})
    assert where == "query"
    return await app.http.request(method, path, headers=host.service, params={name: instant})


@pytest.mark.parametrize("instant", BEYOND)
@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_instant_that_nothing_can_hold_is_refused(
    shared_app: RunningApp, host: Host, place: Place, instant: str
) -> None:
    answer = await _asked(shared_app, host, place, instant)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["pointer"].endswith(f"/{place[3]}")
    assert "year" in fault["message"]


@pytest.mark.parametrize("instant", EDGES)
@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_first_and_last_instant_are_instants(
    shared_app: RunningApp, host: Host, place: Place, instant: str
) -> None:
    answer = await _asked(shared_app, host, place, instant)
    if place[1].endswith("/reconcile") and instant.startswith("9999"):
        assert answer.json()["errors"] == [{"pointer": "/query/since", "message": "lies in the future"}]
    else:
        assert answer.is_success, answer.text
