from app.db import migrate
from tests.databases import NewDatabase
from tests.integration.postgres_owners import fetch


async def test_shared_database_is_at_the_newest_revision(database_url: str) -> None:
    assert await migrate.current(database_url) == migrate.head()


async def test_new_databases_are_apart_and_migrated_unless_told_otherwise(new_database: NewDatabase) -> None:
    first, second, empty = new_database(), new_database(), new_database(migrated=False)
    assert len({first, second, empty}) == 3
    await fetch(first, "CREATE TABLE only_here ()")
    assert await fetch(second, "SELECT to_regclass('only_here')") is None
    assert await migrate.current(second) == migrate.head()
    assert await migrate.current(empty) is None
