"""Wait for a record to settle: the host's PUT is answered with what became of it, if that does not take long."""

import asyncio
from datetime import timedelta

from sqlalchemy import select

from app.db.engine import Sessions
from app.models import SyncState
from app.queue.bell import Bell
from app.sync.kinds import Kind, settled_name

LONGEST = 1.0
"""Seconds between looks at least: a ring may be lost."""


async def wait_until_settled(
    sessions: Sessions, bell: Bell, kind: Kind, ref: str, *, version: int, within: timedelta
) -> bool:
    """Whether Kota gave its verdict on `version`, or a later one, within that time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within.total_seconds()
    async with bell.ear(settled_name(kind, ref)) as rung:
        while True:
            rung.clear()
            if await _is_settled(sessions, kind, ref, version=version):
                return True
            left = deadline - loop.time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(rung.wait(), min(left, LONGEST))
            except TimeoutError:
                continue


async def _is_settled(sessions: Sessions, kind: Kind, ref: str, *, version: int) -> bool:
    model = kind.model
    async with sessions() as session:
        row = (await session.execute(select(model.state, model.synced_version).where(model.ref == ref))).first()
    if row is None:
        return True
    return row.state is not SyncState.PENDING or (row.synced_version is not None and row.synced_version >= version)
