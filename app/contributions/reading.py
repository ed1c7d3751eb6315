"""Read a report and all of its lines from Kota, and make that reading the current one.

Lines are stored as they arrive, under a reading that nobody sees yet; one transaction at the end makes it the current
one. So a report of any size needs the memory of one page, no transaction waits for Kota, and nobody meets half of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from app.contributions.lines import Row, copy_lines, digest_of, line_digest, rows_of
from app.contributions.reports import (
    BREAKDOWNS,
    FINALIZED,
    LISTS_LAG,
    REPORT,
    Held,
    Reading,
    believed,
    drop_lines,
    give_up,
    hold,
    make_current,
)
from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.db.faults import is_database_lost
from app.kota import ContributionReport as KotaReport
from app.kota import KotaClient, KotaError, KotaUnreachable, KotaUnreadable
from app.queue import leases
from app.queue.backoff import Backoff
from app.queue.leases import Lost

log = structlog.get_logger(__name__)

LINES_AT_ONCE = 1_000
"""Lines that are stored together, or those of one employee if these are more."""
TRIES = 3
"""How often a report is read that changes while it is read."""


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """How long a reading may take, and when a report is read again."""

    lease: timedelta
    refresh: timedelta
    backoff: Backoff
    lists_lag: timedelta = LISTS_LAG


class Reader:
    """Reads reports. One at a time reads a report, by its lease."""

    def __init__(self, sessions: Sessions, kota: KotaClient, *, keyring: Keyring, rules: ReadingRules) -> None:
        self._sessions = sessions
        self._keyring = keyring
        self._kota = kota
        self.rules = rules

    async def read_now(self, report_id: str) -> Reading | None:
        """Read it if nobody else does and it is not frozen, else None. Raises KotaError."""
        async with self._sessions.begin() as session:
            held = await hold(session, report_id, lease=self.rules.lease)
        if held is None:
            return None
        try:
            return await self.read(held)
        except DBAPIError as error:
            if not is_database_lost(error):
                await self.failed(held, error)
            raise

    async def read(self, held: Held) -> Reading | None:
        """Read it and make the reading current; None if the lease was lost meanwhile.

        Raises KotaError if it could not be read as a whole; that is recorded, and the reading before stays.
        """
        try:
            found = await self._read_in_time(held)
            wait = caught_up_in(found, held, lag=self.rules.lists_lag)
            frozen = wait is not None and wait <= timedelta(0)
            again = self.rules.refresh if wait is None else max(LISTS_LAG, min(wait, self.rules.refresh))
            async with self._sessions.begin() as session:
                await make_current(session, held, found, frozen=frozen, read_again=again)
        except KotaError as error:
            await self._unread(held, error.short_code)
            raise
        except Lost:
            log.warning("contributions.lease.lost", report_id=held.report_id)
            async with self._sessions.begin() as session:
                await drop_lines(session, held)
            return None
        log.info("contributions.report.read", report_id=held.report_id, status=found.report.status, lines=found.lines)
        return found

    async def failed(self, held: Held, error: Exception) -> None:
        """Record a fault of ours: like a failed read, it is tried again later and more and more seldom."""
        await self._unread(held, f"unexpected:{type(error).__name__}")

    async def _unread(self, held: Held, error_code: str) -> None:
        log.warning("contributions.report.unread", report_id=held.report_id, error_code=error_code)
        try:
            async with self._sessions.begin() as session:
                await give_up(session, held, error_code=error_code, backoff=self.rules.backoff)
        except Lost:
            log.warning("contributions.lease.lost", report_id=held.report_id)

    async def _read_in_time(self, held: Held) -> Reading:
        """A reading that outlasted its lease would leave no trace, and be begun again at once, for ever."""
        bound = leases.bound(self.rules.lease)
        try:
            async with bound:
                return await self._read_whole(held)
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise KotaUnreachable(REPORT, "the lease runs out", may_have_happened=False) from error

    async def _read_whole(self, held: Held) -> Reading:
        """Pages of one list can shift while it is read, so the report must look the same before and after."""
        before = await self._report(held)
        for _ in range(TRIES):
            async with self._sessions.begin() as session:
                await drop_lines(session, held)
            digests, statuses = await self._store_all(held)
            after = await self._report(held)
            if (after.status, after.last_updated_at) == (before.status, before.last_updated_at):
                if statuses - {after.status, None}:
                    # Kota's list shows another moment than the report, and perhaps other lines.
                    raise KotaUnreadable(BREAKDOWNS, "of another status than their report")
                return Reading(after, digest_of(digests), len(digests))
            before = after
        raise KotaUnreadable(REPORT, "changes while it is read")

    async def _report(self, held: Held) -> KotaReport:
        found = await self._kota.get_contribution_report(held.report_id)
        return believed(found, report_id=held.report_id, employer_id=held.employer_id)

    async def _store_all(self, held: Held) -> tuple[list[bytes], set[str | None]]:
        """The digests of all lines, and the statuses of their breakdowns."""
        digests: list[bytes] = []
        statuses: set[str | None] = set()
        waiting: list[Row] = []
        async for breakdown in self._kota.breakdowns(held.report_id):
            if (breakdown.contribution_report_id, breakdown.employer_id) != (held.report_id, held.employer_id):
                raise KotaUnreadable(BREAKDOWNS, "of another report")
            statuses.add(breakdown.status)
            waiting += rows_of(breakdown)
            if len(waiting) >= LINES_AT_ONCE:
                digests += await self._store(held, waiting)
                waiting = []
        return digests + await self._store(held, waiting), statuses

    async def _store(self, held: Held, rows: Sequence[Row]) -> list[bytes]:
        if rows:
            async with self._sessions.begin() as session:
                await copy_lines(session, self._keyring, held, rows)
        return [line_digest(row) for row in rows]


def caught_up_in(found: Reading, held: Held, *, lag: timedelta) -> timedelta | None:
    """How much too early a final report was read: not at all, and these are its lines for good. None if it is open.

    Kota's lists lag behind, and what is frozen with lines missing would stay so, however many looks agree. So a reading
    counts that began when they had caught up: with the end by Kota's clock, which may not be ours, and with the moment
    at which the end was seen here, which is never before it.
    """
    if found.report.status != FINALIZED:
        return None
    if held.final_seen_at is None:
        return lag
    final_since = max(held.final_seen_at, found.report.finalized_at or held.final_seen_at)
    return final_since + lag - held.taken_at
