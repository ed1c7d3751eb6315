"""The lanes of events, running as in a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from app.events.work import ReadingRules, event_lanes
from app.queue.bell import Bell
from app.queue.lanes import run_lane
from tests.integration.stack import LOOKUP_KEY, Stack

SOON = timedelta(milliseconds=20)


@asynccontextmanager
async def running_lanes(stack: Stack, url: str, reading: ReadingRules) -> AsyncIterator[None]:
    """All lanes of events on the database at `url`."""
    stop = asyncio.Event()
    lanes = event_lanes(
        stack.sessions,
        kota=stack.kota,
        keyring=stack.keyring,
        lookup_key=LOOKUP_KEY,
        reading=reading,
        clock=lambda: stack.now,
    )
    async with Bell(url).listening() as bell:
        runs = [
            asyncio.create_task(run_lane(lane, sessions=stack.sessions, bell=bell, stop=stop, look_every=SOON))
            for lane in lanes
        ]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*runs)
