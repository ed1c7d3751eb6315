"""One embedded PostgreSQL for the whole run, started by the first test that asks for it."""

import secrets
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from hypothesis import settings

from app.db import migrate
from app.dev.postgres import EmbeddedPostgres
from tests.databases import NewDatabase
from tests.support.app import Host, RunningApp, running_app, settings_for

TEMPLATE = "migrated"

# How long an example takes says more about the machine than about the code.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Not for tests that stop or kill it: those start their own."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
async def migrated_template(postgres: EmbeddedPostgres) -> str:
    await migrate.upgrade(postgres.create_database(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def database_url(postgres: EmbeddedPostgres, migrated_template: str) -> str:
    """A migrated database that all tests share: for those that roll back whatever they do."""
    return postgres.create_database("shared", template=migrated_template)


@pytest.fixture
def new_database(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[NewDatabase]:
    """Makes databases for tests that commit; a copy takes some 50 ms. They are dropped after the test."""
    names: list[str] = []
    numbers = count()

    def make(*, migrated: bool = True) -> str:
        name = f"test_{next(numbers)}"
        url = postgres.create_database(name, template=migrated_template if migrated else None)
        names.append(name)
        return url

    yield make
    for name in names:
        postgres.drop_database(name)


@pytest.fixture(scope="session")
def host() -> Host:
    """The host whose tokens and service key the application under test knows."""
    return Host()


@pytest.fixture
async def app(new_database: NewDatabase, host: Host) -> AsyncIterator[RunningApp]:
    """The whole application on a database of its own. Kota cannot be reached."""
    async with running_app(settings_for(new_database(), host=host)) as running:
        yield running


@pytest.fixture(scope="module")
async def shared_app(postgres: EmbeddedPostgres, migrated_template: str, host: Host) -> AsyncIterator[RunningApp]:
    """The same for a whole file of tests, for those that leave nothing behind that another would notice."""
    name = f"shared_{secrets.token_hex(4)}"
    url = postgres.create_database(name, template=migrated_template)
    async with running_app(settings_for(url, host=host)) as running:
        yield running
    postgres.drop_database(name)
