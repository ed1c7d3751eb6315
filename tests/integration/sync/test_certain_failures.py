"""A create that certainly did not happen leaves nothing behind that makes anybody believe it did."""

from typing import Any

import pytest

from tests.databases import NewDatabase
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, sync_world
from tests.support.waiting import until

REFUSALS: dict[str, dict[str, Any]] = {
    "too many calls": {"status": 429, "retry_after": 60},
    "a wrong key": {"status": 401},
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_refused_first_create_can_be_withdrawn(new_database: NewDatabase, refusal: str) -> None:
    async with sync_world(new_database(), push_probe_every=60) as world:
        await _refused(world, REFUSALS[refusal])
        assert (await world.call("DELETE", "employees/e1")).status_code == 204


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_refused_first_create_can_be_corrected(new_database: NewDatabase, refusal: str) -> None:
    async with sync_world(new_database(), push_probe_every=60) as world:
        await _refused(world, REFUSALS[refusal])
        born = employee_record("acme", date_of_birth="1980-01-01")
        answer = await world.call("PUT", "employees/e1", born, Prefer="respond-async")
        assert (answer.status_code, answer.json()["changed"]) == (202, True)


async def _refused(world: SyncWorld, refusal: dict[str, Any]) -> None:
    """An employee `e1` whose first create Kota did not do."""
    await world.call("PUT", "employers/acme", employer_record())
    await world.fault("POST", "/employees", "status", **refusal)
    await world.call("PUT", "employees/e1", employee_record("acme"), Prefer="respond-async")
    await until(lambda: _was_tried(world))


async def _was_tried(world: SyncWorld) -> bool:
    return (await world.call("GET", "employees/e1")).json()["sync"]["last_error"] is not None
