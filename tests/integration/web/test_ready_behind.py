from sqlalchemy import text

from tests.support.app import RunningApp


async def test_database_of_an_older_version_is_told_apart_from_one_that_is_away(app: RunningApp) -> None:
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        await session.execute(text("DROP TABLE reconcile_cursors"))
    answer = await app.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "migrations": "behind", "events": "ok"}
