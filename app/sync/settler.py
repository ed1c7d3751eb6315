"""Group commit for results: whatever is ready while one commit runs goes into the next."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.exc import IntegrityError

from app.db.engine import Sessions
from app.db.faults import DATABASE_ERRORS, is_database_lost
from app.queue.tasks import cancel
from app.sync.kinds import Kind
from app.sync.settlements import Settlement
from app.sync.settling import write

log = structlog.get_logger(__name__)

MOST = 100
"""Results in one transaction."""
BUSY = 5
"""Pushes under way from which on results are gathered."""
GATHER = 0.04
"""Seconds for which they are: a commit for each would cost the database and us more than all else."""


class Settler:
    """Writes the settlements of one kind of record."""

    def __init__(self, kind: Kind, *, sessions: Sessions, patience: timedelta) -> None:
        """`patience` is how long a result is held while the database is away; about as long as a lease lasts."""
        self._kind = kind
        self._sessions = sessions
        self._patience = patience.total_seconds()
        self._waiting: list[tuple[Settlement, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None
        self.under_way = 0
        """Pushes that will soon have a result; counted by whoever does them."""

    async def settle(self, settlement: Settlement) -> bool:
        """Write it with whatever else is ready; False if the lease was lost and nothing was written."""
        held: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((settlement, held))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        # Cancelling one who waits must not take the result of others along.
        return await asyncio.shield(held)

    async def aclose(self) -> None:
        """Drop the results that are not written yet: nobody waits for them any more, and their leases run out."""
        self._waiting.clear()
        if self._writing is not None:
            await cancel([self._writing])

    async def _write_all(self) -> None:
        while self._waiting:
            if self.under_way - len(self._waiting) >= BUSY:
                await asyncio.sleep(GATHER)
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                held = await self._write([settlement for settlement, _ in batch])
            except BaseException as error:  # noqa: BLE001 - whoever waits has to learn of it, whatever it is
                for _, future in batch:
                    future.set_exception(error)
                continue
            for settlement, future in batch:
                if settlement.token not in held:
                    log.warning("sync.push.lease_lost", kind=self._kind.name.value, ref=settlement.ref)
                future.set_result(settlement.token in held)

    async def _write(self, settlements: Sequence[Settlement]) -> set[object]:
        try:
            return set(await self._through_outages(settlements))
        except IntegrityError:
            if len(settlements) > 1:
                # One of them is at fault, and only that one may fail.
                found: set[object] = set()
                for settlement in settlements:
                    found |= await self._write([settlement])
                return found
            return set(await self._through_outages([settlements[0].with_id_taken()]))

    async def _through_outages(self, settlements: Sequence[Settlement]) -> set[object]:
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                async with self._sessions.begin() as session:
                    return set(await write(session, self._kind, settlements))
            except DATABASE_ERRORS as error:
                if not is_database_lost(error) or asyncio.get_running_loop().time() > deadline:
                    raise
                # An answer of Kota's is in hand; without it the push would have to be repeated.
                log.warning("sync.push.database_lost", kind=self._kind.name.value, error=type(error).__name__)
                await asyncio.sleep(0.5)
