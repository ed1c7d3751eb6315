"""Is the process alive, and can it do its work?"""

from typing import Literal

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import migrate
from app.web.dependencies import ServicesDep

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/health", tags=["health"])


# Kota's list of events goes back 30 days: when it was not read for 7, somebody has to look while there is time.
_IS_BEHIND = text(
    "SELECT EXISTS (SELECT FROM reconcile_cursors WHERE coalesce(finished_at, seen_until) < now() - interval '7 days')"
)
# Kota's outages kill no event, so one may wait for as long as it takes; that must not go unseen. Compared
# by age, so that the index of pending events is used, and not the one of all by their time.
_WAITS_LONG = text(
    "SELECT EXISTS (SELECT FROM kota_events WHERE state = 'pending' AND now() - received_at > interval '1 hour')"
)


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Each thing that it needs, by name. Kota is not among them: a record waits for it, and the service stays up."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


async def _revision(connection: AsyncConnection) -> str | None:
    """None for a database that was never migrated."""
    if await connection.scalar(text("SELECT to_regclass('alembic_version')::text")) is None:
        return None
    found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


@router.get("/live", summary="Check that the process runs")
async def live() -> Alive:
    """Never looks at anything else, so that an outage elsewhere restarts nobody."""
    return Alive(status="ok")


@router.get("/ready", summary="Check that the service can take requests", responses={503: {"model": Ready}})
async def ready(services: ServicesDep, response: Response) -> Ready:
    """Whether the database answers and is at least at the revision that this code needs."""
    checks = {"database": "ok", "migrations": "ok"}
    alarms = {"events": "ok", "backlog": "ok"}
    try:
        async with services.engine.connect() as connection:
            found = await _revision(connection)
            if found is None or found < migrate.head():
                checks["migrations"] = "behind"
            else:
                alarms["events"] = "behind" if await connection.scalar(_IS_BEHIND) else "ok"
                alarms["backlog"] = "behind" if await connection.scalar(_WAITS_LONG) else "ok"
    except (OSError, SQLAlchemyError) as error:
        log.warning("web.ready.failed", error=type(error).__name__)
        checks = {"database": "unavailable", "migrations": "unknown"}
    good = all(value == "ok" for value in checks.values())
    response.status_code = 200 if good else 503
    response.headers["Cache-Control"] = "no-store"
    return Ready(status="ok" if good else "unavailable", checks=checks | alarms)
