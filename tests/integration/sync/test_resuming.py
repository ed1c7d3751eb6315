"""Once Kota takes our API key again, pushing goes on with the first answer that shows it."""

import asyncio
from datetime import timedelta

from sqlalchemy import update

from app.models import Employee, PushGate
from app.sync import gate
from tests.databases import NewDatabase
from tests.support.app import API_KEY
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, sync_world

FAR = 3600
"""Seconds: a second probe does not come within a test."""


async def test_lane_with_nothing_to_push_leaves_the_probe_to_others(new_database: NewDatabase) -> None:
    async with sync_world(new_database(), push_probe_every=FAR) as world:
        await world.call("PUT", "employers/acme", employer_record())
        await _close(world)
        # Both lanes look for work before there is any.
        await asyncio.sleep(5 * world.services.settings.look_every.total_seconds())
        await world.call("PUT", "employers/other", employer_record(), Prefer="respond-async")
        await world.until("employers/other", state="synced")


async def test_successful_look_up_opens_the_gate(new_database: NewDatabase) -> None:
    async with sync_world(new_database(), push_probe_every=FAR) as world:
        await world.call("PUT", "employers/acme", employer_record())
        await world.fault("POST", "/employees", "drop_after", times=1)
        await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
        await world.until("employees/e1", attempts=1)
        await world.crash_worker()
        async with world.services.sessions.begin() as session:
            await session.execute(update(Employee).values(push_api_key="before"))
        await _close(world)
        world.start_worker()
        await world.until("employees/e1", state="synced")
        assert len(await world.at_kota("employee")) == 1


async def test_records_refused_with_the_key_need_no_probe_each(new_database: NewDatabase) -> None:
    async with sync_world(new_database(), push_probe_every=FAR) as world:
        await world.call("PUT", "employers/acme", employer_record())
        await world.sandbox.control("POST", "keys", {"api_keys": ["pk_test_" + "else"]})
        refs = [f"e{number}" for number in range(8)]
        for ref in refs:
            await world.call("PUT", f"employees/{ref}", employee_record("acme"), Prefer="respond-async")
        await world.until("employees/e7", waiting_for="api_key")
        await world.stop_worker()
        await world.sandbox.control("POST", "keys", {"api_keys": [API_KEY]})
        async with world.services.sessions.begin() as session:
            await session.execute(update(PushGate).values(api_key="before"))
        world.start_worker()
        for ref in refs:
            await world.until(f"employees/{ref}", state="synced")


async def _close(world: SyncWorld) -> None:
    """Let the gate be closed, and a probe be due."""
    async with world.services.sessions.begin() as session:
        await gate.close(session, api_key="before", error_code=None, trace_id=None, probe_every=timedelta(0))
