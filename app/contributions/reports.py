"""The rows of reports: what Kota says of them, who is reading one, and which reading of its lines is current."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.contributions.telling import tell_report
from app.errors import Conflict
from app.kota import ContributionReport as KotaReport
from app.kota import KotaUnreadable
from app.models import ContributionLine, ContributionReport
from app.queue import leases
from app.queue.backoff import Backoff
from app.queue.bell import ring

FINALIZED = "finalized"
LISTS_LAG = timedelta(seconds=10)
"""Longer than Kota's lists take to show what was written."""
REPORT = "GET /contribution_reports/{contribution_report_id}"
BREAKDOWNS = f"{REPORT}/employee_breakdowns"
LANE = "contribution_reports"
"""The bell that rings when a report is due to be read."""


class ReportChanged(Conflict):
    """The report has other lines than those that were seen."""

    code = "report_changed"


@dataclass(frozen=True, slots=True)
class Held:
    """A report that we may read now. `reading`, its lease's token, also names the lines that we store meanwhile."""

    report_id: str
    employer_id: str
    lease: leases.Lease
    attempts: int
    taken_at: datetime
    """By the clock of the database, as is `final_seen_at`: what is read under this lease is read later."""
    final_seen_at: datetime | None

    @property
    def reading(self) -> UUID:
        return self.lease.token


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reading found. Equal digests mean the same lines."""

    report: KotaReport
    digest: bytes
    lines: int


def believed(found: KotaReport, *, report_id: str, employer_id: str | None) -> KotaReport:
    """`found`, if it is the report that was asked for; `employer_id` is None if nobody knows it yet.

    Raises:
        KotaUnreadable: if it is another one, whose lines would be paid for this one.
    """
    if found.id != report_id or (employer_id is not None and found.employer_id != employer_id):
        raise KotaUnreadable(REPORT, "another report")
    return found


async def record_report(session: AsyncSession, found: KotaReport) -> None:
    """Write down what Kota's list or an event's resource says of a report; news make its lines due to be read."""
    values: dict[str, Any] = {
        "external_customer_id": found.external_customer_id,
        "period_from": found.period.from_date,
        "period_to": found.period.to_date,
        "status": found.status,
        "finalized_at": found.finalized_at,
        "kota_updated_at": found.last_updated_at,
        "final_seen_at": func.now() if found.status == FINALIZED else None,
    }
    table = ContributionReport
    statement = insert(table).values(
        # A report never moves to another employer: an answer that says so is not believed when its lines are read.
        id=found.id,
        kota_employer_id=found.employer_id,
        next_attempt_at=func.now(),
        **values,
    )
    is_news = table.status.is_distinct_from(statement.excluded.status) | table.kota_updated_at.is_distinct_from(
        statement.excluded.kota_updated_at
    )
    changed = await session.execute(
        statement.on_conflict_do_update(
            index_elements=[table.id],
            set_={**values, "attempts": 0, "next_attempt_at": func.now()},
            # Frozen is frozen, and an older answer that arrives late must not undo "finalized".
            where=table.frozen.is_(False) & is_news & (table.status != FINALIZED),
        ).returning(table.id)
    )
    if changed.first():
        await ring(session, LANE)


_DUE = leases.claiming(ContributionReport)


async def hold(session: AsyncSession, report_id: str, *, lease: timedelta) -> Held | None:
    """Take a report for reading, due or not; None if it is frozen or somebody else reads it."""
    this = ContributionReport.id == report_id
    await session.execute(
        update(ContributionReport).where(this, ContributionReport.frozen.is_(False)).values(next_attempt_at=func.now())
    )
    rows = await leases.claim(session, leases.claiming(ContributionReport, where=[this]), limit=1, lease=lease)
    return _held(rows[0], lease) if rows else None


async def hold_due(session: AsyncSession, *, limit: int, lease: timedelta) -> list[Held]:
    """Take reports that are due to be read."""
    return [_held(row, lease) for row in await leases.claim(session, _DUE, limit=limit, lease=lease)]


def _held(row: ContributionReport, lease: timedelta) -> Held:
    if row.lease_until is None:
        raise ValueError("nobody holds this report")
    return Held(
        report_id=row.id,
        employer_id=row.kota_employer_id,
        lease=leases.lease_of(row),
        attempts=row.attempts,
        # A lease counts from the start of the transaction that takes it.
        taken_at=row.lease_until - lease,
        final_seen_at=row.final_seen_at,
    )


async def make_current(
    session: AsyncSession, held: Held, found: Reading, *, frozen: bool, read_again: timedelta
) -> None:
    """The lines stored under this reading become the report's, and those before go; raises `leases.Lost`.

    A `frozen` report keeps them, is never read again, and the host is told of it.
    """
    settled = leases.settling(
        ContributionReport,
        reading=held.reading,
        digest=found.digest,
        lines=found.lines,
        frozen=frozen,
        read_at=func.now(),
        attempts=0,
        error_code=None,
        **_about(found.report, read_again=None if frozen else read_again),
    )
    await leases.settle(session, settled, held.lease)
    await session.execute(
        delete(ContributionLine).where(
            ContributionLine.report_id == held.report_id, ContributionLine.reading != held.reading
        )
    )
    if frozen:
        await tell_report(session, found.report)


def _about(report: KotaReport, *, read_again: timedelta | None) -> dict[str, Any]:
    """What a reading says of the report itself, and when it is read again; None for never."""
    row = ContributionReport
    again = None if read_again is None else leases.after(read_again)
    said = {"status": report.status, "finalized_at": report.finalized_at, "kota_updated_at": report.last_updated_at}
    if report.status == FINALIZED:
        return {**said, "final_seen_at": func.coalesce(row.final_seen_at, func.now()), "next_attempt_at": again}
    # A reading that began before the end must not undo "finalized", which was heard of meanwhile.
    is_final = row.status == FINALIZED
    kept = {name: case((is_final, getattr(row, name)), else_=value) for name, value in said.items()}
    return {**kept, "next_attempt_at": case((is_final, leases.after(LISTS_LAG)), else_=again)}


async def give_up(session: AsyncSession, held: Held, *, error_code: str, backoff: Backoff) -> None:
    """Record a failed reading and drop what it stored; the reading before stays. Raises `leases.Lost`."""
    await drop_lines(session, held)
    later = leases.after(backoff.delay(held.attempts))
    failed = leases.settling(ContributionReport, error_code=error_code, next_attempt_at=later)
    await leases.settle(session, failed, held.lease)


async def drop_lines(session: AsyncSession, held: Held) -> None:
    """Forget what this reading stored."""
    await session.execute(
        delete(ContributionLine).where(
            ContributionLine.report_id == held.report_id, ContributionLine.reading == held.reading
        )
    )
