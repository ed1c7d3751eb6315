"""Read a report and all of its lines from Kota, and make that reading the current one.

Lines are stored as they arrive, under a reading that nobody sees yet; one transaction at the end makes it the current
one. So a report of any size needs the memory of one page, no transaction waits for Kota, and nobody meets half of it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.contributions.reports import (
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
from app.kota import ContributionLine as KotaLine
from app.kota import ContributionReport as KotaReport
from app.kota import EmployeeBreakdown, KotaClient, KotaError, KotaUnreachable, KotaUnreadable
from app.models import ContributionLine
from app.queue import leases
from app.queue.backoff import Backoff
from app.queue.leases import Lost

log = structlog.get_logger(__name__)

EMPLOYEES_AT_ONCE = 50
"""Employees whose lines are stored together."""
COLUMNS = tuple(column.name for column in ContributionLine.__table__.columns)
Row = dict[str, Any]
TRIES = 3
"""How often a report is read that changes while it is read."""
BREAKDOWNS = f"{REPORT}/employee_breakdowns"


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
        return None if held is None else await self.read(held)

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
            log.warning("contributions.report.unread", report_id=held.report_id, error_code=error.short_code)
            try:
                async with self._sessions.begin() as session:
                    await give_up(session, held, error_code=error.short_code, backoff=self.rules.backoff)
            except Lost:
                log.warning("contributions.lease.lost", report_id=held.report_id)
            raise
        except Lost:
            log.warning("contributions.lease.lost", report_id=held.report_id)
            async with self._sessions.begin() as session:
                await drop_lines(session, held)
            return None
        log.info("contributions.report.read", report_id=held.report_id, status=found.report.status, lines=found.lines)
        return found

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
        waiting: list[EmployeeBreakdown] = []
        async for breakdown in self._kota.breakdowns(held.report_id):
            if (breakdown.contribution_report_id, breakdown.employer_id) != (held.report_id, held.employer_id):
                raise KotaUnreadable(BREAKDOWNS, "of another report")
            statuses.add(breakdown.status)
            waiting.append(breakdown)
            if len(waiting) >= EMPLOYEES_AT_ONCE:
                digests += await self._store(held, waiting)
                waiting = []
        return digests + await self._store(held, waiting), statuses

    async def _store(self, held: Held, breakdowns: Sequence[EmployeeBreakdown]) -> list[bytes]:
        rows = [row for breakdown in breakdowns for row in _rows(breakdown)]
        if rows:
            async with self._sessions.begin() as session:
                await _copy(session, self._keyring, held, rows)
        return [_line_digest(row) for row in rows]


async def _copy(session: AsyncSession, keyring: Keyring, held: Held, rows: Sequence[Row]) -> None:
    """COPY, since a report has tens of thousands of lines, and an INSERT of each costs ten times as much."""
    own = {"report_id": held.report_id, "reading": held.reading}
    # COPY goes past the column types, so the note is encrypted here.
    notes = (None if row["note"] is None else keyring.encrypt(row["note"].encode()) for row in rows)
    records = [
        tuple((row | own | {"note": note})[name] for name in COLUMNS) for row, note in zip(rows, notes, strict=True)
    ]
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    await driver.copy_records_to_table(ContributionLine.__tablename__, records=records, columns=COLUMNS)


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


def digest_of(line_digests: Sequence[bytes]) -> bytes:
    """One digest of all lines. Sorted first, since Kota promises no order of employees or lines."""
    return hashlib.sha256(b"".join(sorted(line_digests))).digest()


def _line_digest(row: Row) -> bytes:
    return hashlib.sha256(
        json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True).encode()
    ).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        # 1.5 and 1.50 are the same amount.
        return f"{value.normalize():f}"
    return value if value is None or isinstance(value, bool | str) else str(value)


def _rows(breakdown: EmployeeBreakdown) -> list[Row]:
    health = breakdown.health_insurance
    if health is None:
        return []
    payers = {"employer": health.employer_contributions, "employee": health.employee_contributions}
    return [_row(breakdown, payer, line) for payer, lines in payers.items() for line in lines]


def _row(breakdown: EmployeeBreakdown, payer: str, line: KotaLine) -> Row:
    return {
        "kota_employee_id": breakdown.employee_id,
        "payer": payer,
        "id": line.id,
        "category": line.category,
        "member_type": line.member_type,
        "type": line.type,
        "amount": line.amount,
        # Kota writes most currencies in lower case, some not (Kota's OpenAPI).
        "currency": breakdown.currency.lower(),
        "adjustment": line.adjustment,
        "adjustment_for": line.adjustment_for,
        "cover_from": line.cover_period.from_date,
        "cover_to": line.cover_period.to_date,
        "reporting_month": line.reporting_month,
        "policy_id": line.policy_id,
        "note": line.note,
    }
