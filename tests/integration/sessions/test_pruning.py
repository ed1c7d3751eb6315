"""Who had sessions is forgotten in time, by what every worker does now and then."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.models import SessionCount, SessionGrant
from app.worker import periodic_of
from tests.databases import NewDatabase
from tests.integration.sessions.world import grants, store
from tests.support.app import Host, RunningApp, running_app, settings_for

DAY = timedelta(days=1)


def granted(days_ago: int) -> SessionGrant:
    return SessionGrant(
        kind="embed",
        audience="employer",
        subject="somebody",
        subject_digest=b"",
        employer_ref="acme",
        request_id=f"{days_ago} days ago",
        granted_at=func.now() - days_ago * DAY,
        expires_at=func.now(),
    )


def counted(ago: timedelta) -> SessionCount:
    return SessionCount(subject_digest=b"", minute=datetime.now(UTC) - ago, count=1)


async def prune(app: RunningApp) -> None:
    for task in periodic_of(app.app.state.services):
        if task.name.endswith(".prune"):
            await task.run()


@pytest.mark.threat(15)
async def test_grants_and_counts_are_kept_as_long_as_the_settings_say(new_database: NewDatabase, host: Host) -> None:
    async with running_app(settings_for(new_database(), host=host, retain_grants=30 * DAY)) as app:
        await store(app, granted(29), granted(31), granted(400), counted(timedelta(0)), counted(timedelta(hours=2)))

        await prune(app)

        assert [grant.request_id for grant in await grants(app)] == ["29 days ago"]
        async with app.app.state.services.sessions.begin() as session:
            assert await session.scalar(select(func.count()).select_from(SessionCount)) == 1
