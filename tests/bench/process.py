"""How long the API takes to be ready, and how much memory it needs after load."""

import asyncio
import time
from pathlib import Path

import httpx

from tests.bench.result import Result
from tests.processes import resident_mib
from tests.support.stack import Stack

REQUESTS, CONNECTIONS = 5000, 16
READY_WITHIN, MEMORY = 3.0, 150.0


def run(folder: Path) -> list[Result]:
    """Seconds until ready and MiB after load, beside what they may be."""
    with Stack(folder, workers=0, log_level="info") as stack:
        api = stack.apis[0]
        api.stop()
        started = time.perf_counter()
        api.start()
        stack.wait_ready()
        ready = time.perf_counter() - started
        asyncio.run(_load(stack))
        memory = resident_mib(api.pid)
    return [
        Result("API: ready", ready, READY_WITHIN, "s", "<=", 1.0),
        Result("API: memory after load", memory, MEMORY, "MiB", "<=", 1.0),
    ]


async def _load(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.frontend_token('nobody')}"}
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=headers, timeout=30) as client:

        async def many() -> None:
            for _ in range(REQUESTS // CONNECTIONS):
                answer = await client.post("/sessions", json={"audience": "employer"})
                assert answer.status_code in {409, 429}, answer.text

        await asyncio.gather(*(many() for _ in range(CONNECTIONS)))
