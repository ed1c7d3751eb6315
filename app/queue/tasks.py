"""Waiting with a bound, and ending asyncio tasks."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Any

CANCELLATION = timedelta(seconds=5)
"""What a cancelled task gets for closing its connections."""


async def cancel(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel what has not ended, and wait for it, but not for ever. Raises nothing of theirs."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=CANCELLATION.total_seconds())


async def wait_for_event(event: asyncio.Event, *, seconds: float) -> None:
    """Until `event` is set, or the time is up."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
