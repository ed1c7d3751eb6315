from collections.abc import AsyncIterator

import pytest

from tests.databases import NewDatabase
from tests.support.records import employer_record
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
