"""A database of its own for every test, since leases are about what others see committed."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.encryption import Keyring
from app.db.engine import Sessions, create_engine, create_sessions
from app.models import KotaResource
from app.ops.logging import configure_logging
from tests.databases import NewDatabase


@pytest.fixture(autouse=True)
def _logs_as_in_production() -> None:
    # Without it a fault is printed with the values of all variables, which takes seconds each.
    configure_logging(level="warning", fmt="json")


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    return new_database()


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    keyring = Keyring([Fernet.generate_key().decode()])
    engine = create_engine(url, keyring=keyring, application_name="tests", pool_size=10)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return create_sessions(engine)


AddRows = Callable[..., Awaitable[None]]


@pytest.fixture
def add_rows(sessions: Sessions) -> AddRows:
    """Due rows, the first longest: `add_rows("a", "b")`."""

    async def add(*ids: str) -> None:
        async with sessions.begin() as session:
            for place, id_ in enumerate(ids):
                due_at = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, len(ids) - place)
                session.add(KotaResource(kind="employee", id=id_, next_attempt_at=due_at))

    return add
