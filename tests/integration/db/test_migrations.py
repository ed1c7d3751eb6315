import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

import app.models  # noqa: F401 - registers every table
from app.db import migrate
from app.db.base import Base
from app.db.engine import create_plain_engine
from tests.databases import NewDatabase
from tests.support.waiting import until

REVISIONS = [
    revision.revision for revision in reversed(list(ScriptDirectory.from_config(migrate.config()).walk_revisions()))
]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    async with create_plain_engine(url).connect() as connection:
        yield connection


async def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    async with connected(url) as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def schema(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that migrations may differ in, as PostgreSQL itself writes it."""
    return {
        "columns": await rows(
            url,
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version' "
            "ORDER BY 1, 2",
        ),
        "indexes": await rows(
            url,
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1",
        ),
        "constraints": await rows(
            url,
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version' "
            "ORDER BY 1, 2",
        ),
    }


async def test_migrations_and_models_agree(new_database: NewDatabase) -> None:
    migrated, modelled = new_database(), new_database(migrated=False)
    assert await migrate.drift(migrated) == []
    async with create_plain_engine(modelled).begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    # Unlike the comparison above, this one sees the conditions of indexes.
    assert await schema(migrated) == await schema(modelled)


async def test_difference_between_migrations_and_models_is_noticed(new_database: NewDatabase) -> None:
    url = new_database()
    async with create_plain_engine(url).begin() as connection:
        await connection.execute(text("ALTER TABLE kota_resources DROP COLUMN read_at"))
    assert await migrate.drift(url)


async def test_every_revision_can_be_taken_back_and_applied_again(new_database: NewDatabase) -> None:
    url = new_database(migrated=False)
    empty = await schema(url)
    for revision, before in zip(REVISIONS, ["base", *REVISIONS], strict=False):
        earlier = await schema(url)
        await migrate.upgrade(url, revision)
        applied = await schema(url)
        await migrate.downgrade(url, before)
        assert await schema(url) == earlier, revision
        await migrate.upgrade(url, revision)
        assert await schema(url) == applied, revision
    assert await migrate.current(url) == migrate.head()
    await migrate.downgrade(url, "base")
    assert await schema(url) == empty
    await migrate.upgrade(url)
    assert await migrate.drift(url) == []


async def test_every_constraint_and_index_has_a_name_that_a_migration_can_tell(new_database: NewDatabase) -> None:
    url = new_database()
    prefixes = {"p": "pk", "u": "uq", "f": "fk", "c": "ck"}
    constraints = await rows(
        url,
        "SELECT contype::text, conname, conrelid::regclass::text FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version' "
        "AND contype <> 'n'",
    )
    assert constraints
    # PostgreSQL's own names end in _pkey and the like.
    strangers = [name for kind, name, table in constraints if not name.startswith(f"{prefixes[kind]}_{table}")]
    indexes = await rows(url, "SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'public'")
    strangers += [
        name
        for name, table in indexes
        if table != "alembic_version" and not name.startswith((f"ix_{table}_", f"uq_{table}_", f"pk_{table}"))
    ]
    assert strangers == []


@pytest.mark.parametrize("path", sorted((migrate.MIGRATIONS / "versions").glob("*.py")), ids=lambda path: path.stem)
def test_no_revision_changes_when_code_of_ours_does(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert not [line for line in lines if line.startswith(("import app", "from app"))]


def test_revisions_are_one_chain_in_the_order_of_their_names() -> None:
    assert sorted(REVISIONS) == REVISIONS
    assert migrate.head() == REVISIONS[-1]


async def test_database_that_was_never_migrated_is_at_no_revision(new_database: NewDatabase) -> None:
    assert await migrate.current(new_database(migrated=False)) is None


async def test_several_that_migrate_at_once_take_turns(new_database: NewDatabase) -> None:
    url = new_database(migrated=False)
    await asyncio.gather(*(migrate.upgrade(url) for _ in range(3)))
    assert await migrate.current(url) == migrate.head()


async def test_migration_waits_for_another_one_while_asking_for_the_revision_does_not(
    new_database: NewDatabase,
) -> None:
    url = new_database(migrated=False)

    async def waits() -> bool:
        return bool(
            await rows(
                url,
                "SELECT 1 FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()",
            )
        )

    async with connected(url) as other:
        await other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": migrate.ONE_AT_A_TIME})
        migration = asyncio.create_task(migrate.upgrade(url))
        await until(waits, seconds=30)
        assert await migrate.current(url) is None
        assert not migration.done()
    await asyncio.wait_for(migration, 60)
    assert await migrate.current(url) == migrate.head()


async def test_migration_gives_up_on_a_table_that_is_in_use_and_changes_nothing(new_database: NewDatabase) -> None:
    url = new_database()
    async with connected(url) as other:
        await other.execute(text("LOCK TABLE dead_letters IN ACCESS SHARE MODE"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await migrate.downgrade(url, "base", lock_timeout=timedelta(milliseconds=50))
    # Each revision is a transaction of its own; the one that failed left nothing behind.
    assert await migrate.current(url) == REVISIONS[0]
    await migrate.upgrade(url)
    assert await migrate.drift(url) == []


async def test_migrations_wait_five_seconds_for_a_lock_unless_told_otherwise(new_database: NewDatabase) -> None:
    assert timedelta(seconds=5) == migrate.LOCK_TIMEOUT
    url = new_database()
    async with connected(url) as other:
        await other.execute(text("LOCK TABLE dead_letters IN ACCESS SHARE MODE"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await migrate.downgrade(url, "base")


def test_migrations_run_from_synchronous_code_as_well(new_database: NewDatabase) -> None:
    url = new_database(migrated=False)
    migrate.run(url)
    assert asyncio.run(migrate.current(url)) == migrate.head()
