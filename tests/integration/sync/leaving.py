"""Previews and confirmations as a host's backend sends them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import select, update

from app.models import Offboarding, OffboardingState
from app.queue.dirty import mark_dirty
from app.sync.offboarding.context import Context
from app.sync.offboarding.resolve import resolve_open
from tests.support.records import employee_record
from tests.support.sync_world import SyncWorld

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
SOON = (NOW.date() + 2 * DAY).isoformat()
REASON = {"offboard_reason": "end of contract"}


async def previewed(world: SyncWorld, path: str = "employees/e1", **body: Any) -> dict[str, Any]:
    """What a preview answers."""
    answer = await world.call("POST", f"{path}/offboarding/preview", body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def token_for(world: SyncWorld, path: str = "employees/e1", **body: Any) -> str:
    """A token that confirms what is shown now."""
    return str((await previewed(world, path, **body))["confirmation_token"])


async def confirm(world: SyncWorld, token: str, path: str = "employees/e1", **body: Any) -> httpx.Response:
    """Confirm an employee's offboarding, in two days unless `body` says otherwise."""
    given = {"confirmation_token": token, "offboard_on": SOON, **REASON, **body}
    return await world.call("POST", f"{path}/offboarding", given)


async def hired(world: SyncWorld, ref: str) -> str:
    """Kota's id of another employee of `acme`, who is active."""
    kota_id: str = (await world.call("PUT", f"employees/{ref}", employee_record("acme"))).json()["kota_id"]
    await world.sandbox.control("POST", "advance", {"id": kota_id, "status": "active"})
    return kota_id


async def resolve(world: SyncWorld, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Look at what is open as the worker does once it was left alone for a while."""
    services = world.services
    async with services.sessions.begin() as session:
        earlier = Offboarding.requested_at - timedelta(minutes=1)
        await session.execute(update(Offboarding).values(requested_at=earlier))
    context = Context(services.sessions, services.kota, b"", services.settings.push_lease, "tests", clock)
    await resolve_open(context)


async def state_of(world: SyncWorld, ref: str = "e1") -> OffboardingState | None:
    """How far the only offboarding of an employee is."""
    async with world.services.sessions() as session:
        state: OffboardingState | None = await session.scalar(
            select(Offboarding.state).where(Offboarding.kind == "employee", Offboarding.ref == ref)
        )
    return state


async def offboardings_at_kota(world: SyncWorld) -> int:
    """How many calls Kota got to offboard somebody."""
    calls = await world.requests("POST", "/employees*") + await world.requests("POST", "/employers*")
    return len([call for call in calls if call["path"].endswith("/offboard")])


async def read_again(world: SyncWorld, kota_id: str, *, kind: str = "employee") -> None:
    """Have the worker read a record."""
    async with world.services.sessions.begin() as session:
        await mark_dirty(session, kind, kota_id)
