"""A database that is not migrated, or not far enough, is not one that is away: other people mend it."""

from sqlalchemy import text

from app.db import migrate
from tests.databases import NewDatabase
from tests.support.app import Host, RunningApp, running_app, settings_for

BEHIND = {"database": "ok", "migrations": "behind", "events": "ok", "backlog": "ok"}


async def test_database_of_an_older_version_is_told_apart_from_one_that_is_away(app: RunningApp) -> None:
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        await session.execute(text("DROP TABLE reconcile_cursors"))
    answer = await app.http.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]) == (503, BEHIND)


async def test_database_that_was_never_migrated_is_too(new_database: NewDatabase, host: Host) -> None:
    async with running_app(settings_for(new_database(migrated=False), host=host)) as app:
        answer = await app.http.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]) == (503, BEHIND)


async def test_database_whose_migration_did_not_end_is_too(app: RunningApp) -> None:
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    answer = await app.http.get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]) == (503, BEHIND)


async def test_migrations_are_read_once_however_often_somebody_asks(shared_app: RunningApp) -> None:
    for _ in range(3):
        assert (await shared_app.http.get("/health/ready")).status_code == 200
    assert migrate.head.cache_info().misses == 1
