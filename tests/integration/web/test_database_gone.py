"""A database that is away is an outage: 503 with a time to come back, on every route, and never a fault of ours."""

import json
import re
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from app.auth.doors import doors_of
from app.auth.service_keys import new_key
from app.db import migrate
from app.dev.postgres import EmbeddedPostgres
from app.main import ROUTERS
from tests.support.app import Host, RunningApp, running_app, settings_for
from tests.support.records import employee_record, employer_record

BODIES = {
    "/sessions": {"audience": "employer"},
    "/internal/sessions": {"audience": "employer", "employer_ref": "acme"},
    "/internal/employers/{ref}": employer_record(),
    "/internal/employees/{ref}": employee_record("acme"),
}
NO_DATABASE = {"/health/live", "/metrics"}


def unexpected() -> float:
    return REGISTRY.get_sample_value("kota_bff_unexpected_errors_total", {"where": "http"}) or 0.0


async def check(app: RunningApp, host: Host) -> None:
    before = unexpected()
    asked = 0
    for door in doors_of(ROUTERS):
        if door.path in NO_DATABASE or door.principal == "Kota's signature":
            continue
        headers = host.service if door.scope else host.bearer()
        body = BODIES.get(door.path, {}) if door.method in {"POST", "PUT"} else None
        path = re.sub(r"\{[^}]+\}", str(UUID(int=1)), door.path)
        if door.path == "/internal/batches" and door.method == "POST":
            line = json.dumps({"kind": "employer", "ref": "a1", "record": employer_record()}).encode()
            headers |= {"Content-Type": "application/x-ndjson"}
            answer = await app.http.post(path, headers=headers, content=line)
        else:
            answer = await app.http.request(door.method, path, headers=headers, json=body)
        if answer.status_code == 422:  # A body that this test does not know; it was refused without the database.
            assert door.method in {"POST", "PUT"}, door
            continue
        asked += 1
        assert answer.status_code == 503, (door, answer.text)
        if door.path != "/health/ready":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "unavailable", door
            assert int(answer.headers["retry-after"]) > 0
    assert asked >= 12
    key = {"Authorization": f"Bearer {new_key()}"}
    assert (await app.http.get("/internal/audit", headers=key)).status_code == 503
    assert (await app.http.get("/health/live")).status_code == 200
    assert unexpected() == before


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedPostgres:
    return EmbeddedPostgres(tmp_path_factory.mktemp("stopped"), durable=False)


@pytest.mark.threat(18)
async def test_every_route_says_so_and_recovers(postgres: EmbeddedPostgres, host: Host) -> None:
    with postgres:
        url = postgres.url
        await migrate.upgrade(url)
        async with running_app(settings_for(url, host=host)) as app:
            assert (await app.http.get("/health/ready")).status_code == 200
            postgres.stop()
            await check(app, host)
            postgres.start()
            assert (await app.http.get("/health/ready")).status_code == 200
            assert (await app.http.get("/internal/audit", headers=host.service)).status_code == 200


@pytest.mark.threat(18)
async def test_service_starts_while_the_database_is_away(host: Host) -> None:
    url = "postgresql://postgres:made-up@127.0.0.1:1/postgres"
    async with running_app(settings_for(url, host=host)) as app:
        await check(app, host)
