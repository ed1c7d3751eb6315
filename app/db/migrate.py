"""Run Alembic against one database, without an ini file.

Two replicas that migrate at once take turns through an advisory lock. A migration that cannot get its table lock within
5 s gives up instead of queueing the whole service behind it; run it again.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.db.base import Base
from app.db.engine import create_plain_engine

T = TypeVar("T")

MIGRATIONS = Path(__file__).parents[2] / "migrations"
ONE_AT_A_TIME = 0x6B6F7461  # "kota": the advisory lock that migrations take.
LOCK_TIMEOUT = timedelta(seconds=5)


def config(connection: Connection | None = None) -> Config:
    """An Alembic configuration for this project's migrations."""
    made = Config()
    # Alembic expands % in its options.
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


@cache
def head() -> str:
    """The newest revision that this code knows; read once, since health is asked for all the time."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    if revision is None:
        raise RuntimeError("there are no migrations")
    return revision


async def current(url: str) -> str | None:
    """The revision that the database is at; None if it was never migrated."""
    return await _run(url, lambda connection: MigrationContext.configure(connection).get_current_revision())


async def upgrade(url: str, revision: str = "head", *, lock_timeout: timedelta = LOCK_TIMEOUT) -> None:
    """Bring the database to `revision`."""
    await _run(url, _alone(command.upgrade, revision, lock_timeout))


async def downgrade(url: str, revision: str, *, lock_timeout: timedelta = LOCK_TIMEOUT) -> None:
    """Take the database back to `revision`; `base` is empty."""
    await _run(url, _alone(command.downgrade, revision, lock_timeout))


async def drift(url: str) -> list[Any]:
    """Differences between the imported models and the database; empty when they agree."""
    options = {"compare_server_default": True}
    return await _run(
        url,
        lambda connection: list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)),
    )


def _alone(move: Callable[[Config, str], None], revision: str, lock_timeout: timedelta) -> Callable[[Connection], None]:
    def moved(connection: Connection) -> None:
        # Until the connection ends. Waiting for the other replica's turn to be over may take as long as it takes.
        # Asked for in short statements: CREATE INDEX CONCURRENTLY waits for every one under way, and so for us.
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ONE_AT_A_TIME}):
            connection.rollback()
            connection.execute(text("SELECT pg_sleep(0.2)"))
            connection.rollback()
        milliseconds = int(lock_timeout.total_seconds() * 1000)
        connection.execute(text("SELECT set_config('lock_timeout', :value, false)"), {"value": str(milliseconds)})
        connection.commit()
        move(config(connection), revision)

    return moved


async def _run(url: str, work: Callable[[Connection], T]) -> T:
    engine = create_plain_engine(url)
    async with engine.connect() as connection:
        return await connection.run_sync(work)


def run(url: str) -> None:
    """Upgrade from synchronous code."""
    asyncio.run(upgrade(url))
