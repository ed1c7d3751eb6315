from sqlalchemy import text

from tests.support.app import RunningApp


async def test_database_of_an_older_version_is_told_apart_from_one_that_is_away(app: RunningApp) -> None:
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        await session.execute(text("DROP TABLE reconcile_cursors"))
    answer = await app.http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "migrations": "behind", "events": "ok", "backlog": "ok"}


async def test_event_that_waits_for_an_hour_is_an_alarm_and_takes_nobody_out_of_service(app: RunningApp) -> None:
    old = """
        INSERT INTO kota_events (id, type, version, body, state, received_at)
        VALUES ('evt_1', 'employee.updated', 'v2', '', 'processed', now() - interval '2 hours'),
               ('evt_2', 'employee.updated', 'v2', '', 'pending', now() - interval '59 minutes')
    """
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text(old))
    assert (await app.http.get("/health/ready")).json()["checks"]["backlog"] == "ok"

    async with app.app.state.services.sessions.begin() as session:
        await session.execute(text("UPDATE kota_events SET received_at = received_at - interval '2 minutes'"))
    answer = await app.http.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["checks"]["backlog"] == "behind"
