"""Previews and confirmations as a host's backend sends them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.queue.dirty import mark_dirty
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


async def confirm(world: SyncWorld, token: str, **body: Any) -> httpx.Response:
    """Confirm the offboarding of e1, in two days unless `body` says otherwise."""
    given = {"confirmation_token": token, "offboard_on": SOON, **REASON, **body}
    return await world.call("POST", "employees/e1/offboarding", given)


async def offboardings_at_kota(world: SyncWorld) -> int:
    """How many calls Kota got to offboard somebody."""
    calls = await world.requests("POST", "/employees*") + await world.requests("POST", "/employers*")
    return len([call for call in calls if call["path"].endswith("/offboard")])


async def read_again(world: SyncWorld, kota_id: str) -> None:
    """Have the worker read an employee."""
    async with world.services.sessions.begin() as session:
        await mark_dirty(session, "employee", kota_id)
