"""The application, a worker and a sandbox in this process, for tests of the sync that need no real processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from app.queue.lanes import run_lane
from app.queue.periodic import run_periodic
from app.services import Services
from app.web.dependencies import get_now
from app.worker import lanes_of, periodic_of
from tests.support.app import Host, RunningApp, RunningSandbox, running_app, running_sandbox, settings_for

# Minutes in production, so that what a crash left behind comes free within a test.
SHORT = {
    "kota_read_timeout": 1,
    "kota_write_timeout": 1,
    "push_lease": 2.5,
    "resource_lease": 2.5,
    "push_retry_first": 0.05,
    "push_retry_longest": 0.3,
    "event_retry_first": 0.05,
    "event_retry_longest": 0.3,
    "look_up_after": 0.3,
    "push_probe_every": 0.2,
    "look_every": 0.1,
    "shutdown_grace": 5,
    "sync_wait": 5,
}
SETTLES_WITHIN = 60.0


class SyncWorld:
    """What a host's backend does, and what happens to the processes behind it."""

    def __init__(self, app: RunningApp, sandbox: RunningSandbox, host: Host) -> None:
        self._app = app
        self.sandbox = sandbox
        self._headers = host.service
        self._stop = asyncio.Event()
        self._worker: list[asyncio.Task[None]] = []

    @property
    def services(self) -> Services:
        services = self._app.app.state.services
        assert isinstance(services, Services)
        return services

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call `/internal/{path}` with a service key."""
        asking = self._app.http.request(
            method, f"/internal/{path}", json=body, headers={**self._headers, **headers}, timeout=30
        )
        # In a task of its own, as a server does it: after a failed TaskGroup, Python 3.11.2 leaves its task counted as
        # cancelled.
        return await asyncio.create_task(asking)

    def at(self, now: datetime) -> None:
        """Let requests come at this time from now on, by the rules about days and deadlines."""
        self.give(get_now, now)

    def give(self, dependency: Any, value: Any) -> None:
        """Hand this to the routes from now on, instead of what `dependency` returns."""

        async def given() -> Any:
            return value

        self._app.app.dependency_overrides[dependency] = given

    async def send_lines(self, content: bytes) -> httpx.Response:
        headers = {**self._headers, "Content-Type": "application/x-ndjson"}
        return await self._app.http.post("/internal/batches", content=content, headers=headers, timeout=30)

    def start_worker(self) -> None:
        services = self.services
        self._stop = asyncio.Event()
        runs = [
            run_lane(
                lane,
                sessions=services.sessions,
                bell=services.bell,
                stop=self._stop,
                look_every=services.settings.look_every,
            )
            for lane in lanes_of(services)
        ] + [run_periodic(task, sessions=services.sessions, stop=self._stop) for task in periodic_of(services)]
        self._worker = [asyncio.create_task(run) for run in runs]

    async def stop_worker(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._worker)
        self._worker = []

    async def crash_worker(self) -> None:
        """End the worker where it stands: nothing is handed back, and no result that it holds is written down."""
        for task in self._worker:
            task.cancel()
        await asyncio.gather(*self._worker, return_exceptions=True)
        self._worker = []

    async def until(self, path: str, *, within: float = SETTLES_WITHIN, **expected: Any) -> dict[str, Any]:
        """GET `path` until its record, or its `sync`, is as expected; fails after that many seconds."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            found: dict[str, Any] = (await self.call("GET", path)).json()
            if expected.items() <= {**found, **found.get("sync", {})}.items():
                return found
            assert asyncio.get_running_loop().time() < deadline, found
            await asyncio.sleep(0.02)

    async def at_kota(self, kind: str) -> list[dict[str, Any]]:
        """Every record of this kind as the sandbox really has it."""
        found: list[dict[str, Any]] = (await self.sandbox.control("GET", f"state?kind={kind}"))[kind]
        return found

    async def requests(self, method: str, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.sandbox.control("GET", f"requests?method={method}&path={path}")
        return found

    async def fault(self, method: str, path: str, kind: str, **more: Any) -> None:
        await self.sandbox.control("POST", "faults", {"method": method, "path": path, "kind": kind, **more})


@asynccontextmanager
async def sync_world(
    database_url: str, *, sandbox: dict[str, Any] | None = None, worker: bool = True, **settings: Any
) -> AsyncIterator[SyncWorld]:
    """A world on that database; its worker runs unless told otherwise."""
    async with running_sandbox(**(sandbox or {})) as kota, world_on(database_url, kota, **settings) as world:
        if worker:
            world.start_worker()
        yield world


@asynccontextmanager
async def world_on(database_url: str, kota: RunningSandbox, **settings: Any) -> AsyncIterator[SyncWorld]:
    """A world whose Kota was there before it, and outlives it. Its worker does not run yet."""
    host = Host()
    chosen = settings_for(database_url, host=host, **{"kota_api_url": kota.url, **SHORT, **settings})
    async with running_app(chosen) as app:
        world = SyncWorld(app, kota, host)
        try:
            yield world
        finally:
            await world.stop_worker()
