from collections.abc import AsyncIterator

import pytest

from tests.databases import NewDatabase
from tests.integration.application import Application, open_application


@pytest.fixture
async def application(new_database: NewDatabase) -> AsyncIterator[Application]:
    async with open_application(new_database()) as application:
        yield application
