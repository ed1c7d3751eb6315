"""A session is answered in time, whatever holds it up: the time-outs of the database and of Kota do not add up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import make_url

from app.db.engine import asyncpg_dsn
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, grants, register, store
from tests.support.app import Host, RunningApp, RunningSandbox, running_app, running_sandbox, settings_for
from tests.support.freezing_proxy import FreezingProxy

WITHIN = 1.0
# A statement may wait 10 s for a lock and run for 30 s, a lost connection is noticed after 35 s.
LONGEST = 8.0
DELAY = {"method": "POST", "path": "*", "kind": "delay", "delay_ms": 500, "times": 9}


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox() as running:
        yield running


@pytest.fixture
async def proxy(new_database: NewDatabase) -> AsyncIterator[tuple[str, FreezingProxy]]:
    """A way to a database of its own that can freeze."""
    url = make_url(new_database())
    assert url.port is not None
    async with FreezingProxy(url.port).listening() as running:
        yield url.set(port=running.port).render_as_string(hide_password=False), running


@pytest.fixture
async def app(proxy: tuple[str, FreezingProxy], host: Host, sandbox: RunningSandbox) -> AsyncIterator[RunningApp]:
    settings = settings_for(proxy[0], host=host, kota_api_url=sandbox.url, session_timeout=WITHIN)
    async with running_app(settings) as running:
        employer, employee = await register(sandbox)
        await store(running, employer_row(kota_id=employer), employee_row(kota_id=employee))
        yield running


async def ask(app: RunningApp, host: Host, path: str) -> httpx.Response:
    body: dict[str, Any] | None = None if path == "/sessions/hosted" else {"audience": "employee"}
    headers = host.bearer(employee="mary")
    if path == "/internal/sessions":
        body, headers = {"audience": "employee", "employer_ref": "acme", "employee_ref": "mary"}, host.service
    async with asyncio.timeout(LONGEST):
        return await app.http.post(path, json=body, headers=headers)


@asynccontextmanager
async def locked(app: RunningApp, table: str) -> AsyncIterator[None]:
    """Everybody else waits for this table."""
    other = await asyncpg.connect(asyncpg_dsn(app.settings.direct_url))
    try:
        async with other.transaction():
            await other.execute(f"LOCK TABLE {table}")
            yield
    finally:
        await other.close()


every_kind = pytest.mark.parametrize("path", ["/sessions", "/sessions/hosted", "/internal/sessions"])


@pytest.mark.threat(18)
@every_kind
@pytest.mark.parametrize("table", ["employers", "session_grants"])
async def test_slow_database_and_slow_kota_together_end_in_time(
    app: RunningApp, host: Host, sandbox: RunningSandbox, path: str, table: str
) -> None:
    await sandbox.control("POST", "faults", DELAY)
    async with locked(app, table):
        answer = await ask(app, host, path)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert await grants(app) == []
    await sandbox.control("DELETE", "faults")
    assert (await ask(app, host, path)).status_code == 201


@pytest.mark.threat(18)
@every_kind
async def test_database_that_hears_nothing_any_more_is_not_waited_for(
    app: RunningApp, host: Host, proxy: tuple[str, FreezingProxy], path: str
) -> None:
    assert (await ask(app, host, path)).status_code == 201
    proxy[1].freeze()
    answer = await ask(app, host, path)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text


@pytest.mark.threat(18)
@every_kind
async def test_slow_kota_alone_is_kota_unavailable(
    app: RunningApp, host: Host, sandbox: RunningSandbox, path: str
) -> None:
    await sandbox.control("POST", "faults", {**DELAY, "delay_ms": 60_000})
    answer = await ask(app, host, path)
    await sandbox.control("DELETE", "faults")

    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable"), answer.text
