from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, update

from app.events.backlog import tell_backlog
from app.models import KotaEvent
from tests.integration.events.rows import EMPLOYEE_ID, event
from tests.integration.stack import Stack
from tests.support.app import RunningApp


async def told(stack: Stack) -> float | None:
    await tell_backlog(stack.sessions)
    return REGISTRY.get_sample_value("kota_bff_events_backlog_age_seconds")


async def test_age_of_the_oldest_event_that_waits_is_told_until_it_is_processed(stack: Stack) -> None:
    assert await told(stack) == 0
    await stack.deliver(event(1, "employee.updated", id=EMPLOYEE_ID), event(2, "employee.updated", id=EMPLOYEE_ID))
    async with stack.sessions.begin() as session:
        old = func.now() - timedelta(minutes=20)
        await session.execute(update(KotaEvent).where(KotaEvent.id == "evt_1").values(received_at=old))
    assert await told(stack) == pytest.approx(1200, abs=60)
    await stack.process()
    assert await told(stack) == 0


async def test_backlog_of_an_hour_is_shown_and_leaves_the_service_ready(app: RunningApp) -> None:
    async with app.app.state.services.sessions.begin() as session:
        session.add(KotaEvent(id="evt_1", type="employee.updated", version="v2", body=b""))
    for minutes, alarm in ((61, "behind"), (59, "ok")):
        async with app.app.state.services.sessions.begin() as session:
            await session.execute(update(KotaEvent).values(received_at=func.now() - timedelta(minutes=minutes)))
        ready = await app.http.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["backlog"]) == (200, alarm)
