from collections.abc import AsyncIterator

import pytest

from tests.databases import NewDatabase
from tests.integration.stack import Stack, open_stack


@pytest.fixture
async def stack(new_database: NewDatabase) -> AsyncIterator[Stack]:
    async with open_stack(new_database()) as stack:
        yield stack
