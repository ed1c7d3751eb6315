from collections.abc import AsyncIterator

import pytest

from tests.databases import NewDatabase
from tests.integration.sync.leaving import read_again
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, sync_world


@pytest.fixture
async def world(new_database: NewDatabase) -> AsyncIterator[SyncWorld]:
    """With a worker, on an empty database and an empty sandbox."""
    async with sync_world(new_database()) as made:
        yield made


@pytest.fixture
async def acme(world: SyncWorld) -> str:
    """Kota's id of an employer `acme` that is synced."""
    answer = await world.call("PUT", "employers/acme", employer_record())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["kota_id"])


@pytest.fixture
async def e1(world: SyncWorld, acme: str) -> str:
    """Kota's id of an employee `e1` of `acme` that is synced; both are active."""
    answer = await world.call("PUT", "employees/e1", employee_record("acme"))
    kota_id: str = answer.json()["kota_id"]
    for id_ in (acme, kota_id):
        await world.sandbox.control("POST", "advance", {"id": id_, "status": "active"})
    await read_again(world, kota_id)
    await world.until("employees/e1", kota_status="active")
    return kota_id
