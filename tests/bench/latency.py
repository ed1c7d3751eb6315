"""From an event's arrival to the projection of what Kota shows, while nothing else happens.

Both ends are the database's own clock: when the event was stored, and when the transaction of its projection began.
Kota answers a read at once here; a slow answer of Kota's comes on top.
"""

import asyncio
import time
from pathlib import Path

import asyncpg

from tests.bench.result import Result, percentile
from tests.processes import wait_until
from tests.support.stack import Stack

EVENTS, PAUSE = 100, 0.1
BAR = 100.0


def run(folder: Path) -> list[Result]:
    """The middle of the delays, beside what it may be."""
    with Stack(folder, durable=True, log_level="info", sandbox={"SANDBOX_KIND": "true"}) as stack:
        for _ in range(EVENTS):
            stack.control("POST", "emit", {"type": "policy.active", "version": "v2"})
            time.sleep(PAUSE)
        wait_until(lambda: len(asyncio.run(_delays(stack.postgres.url))) >= EVENTS)
        delays = asyncio.run(_delays(stack.postgres.url))
    return [Result("event to projection: p50", percentile(delays, 0.5), BAR, "ms", "<=", 1.0)]


async def _delays(url: str) -> list[float]:
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        rows = await connection.fetch(
            "SELECT extract(epoch FROM processed_at - received_at) * 1000 AS delay FROM kota_events "
            "WHERE processed_at IS NOT NULL AND type = 'policy.active'"
        )
    finally:
        await connection.close()
    return [float(row["delay"]) for row in rows]
