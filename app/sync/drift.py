"""Compare our records with Kota's lists, and bring together what belongs together."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.kota import KotaClient, KotaNotFound
from app.models import Employer
from app.queue.dirty import Resource, mark_all_dirty
from app.sync import gate
from app.sync.at_kota import KotaRecord, get_record, list_records, reference_of
from app.sync.kinds import EMPLOYEES, EMPLOYERS, Kind, KindName
from app.sync.link import bind
from app.sync.texts import unread


class Drift(StrEnum):
    """How a record and Kota may differ."""

    MISSING_THERE = "missing_there"
    """We have an id, and Kota does not know it."""
    UNKNOWN_HERE = "unknown_here"
    """Kota has it, and no record of ours is bound to it."""
    NOT_LINKED = "not_linked"
    """Kota has it under one of our references, whose record has no id. Repair binds them."""
    DUPLICATED = "duplicated"
    """Kota has several under one reference. A person has to decide which one is right."""
    STATUS_DIFFERS = "status_differs"
    """Repair has it read again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, by ids only."""

    drift: Drift
    kind: KindName
    ref: str | None
    kota_ids: tuple[str, ...]
    repaired: bool = False


@dataclass(slots=True)
class Report:
    """What an audit found."""

    employers: int = 0
    employees: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def open(self) -> int:
        """Differences that are still there."""
        return sum(not finding.repaired for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Known:
    ref: str
    kota_id: str | None
    kota_status: str | None


async def audit(sessions: Sessions, kota: KotaClient, *, repair: bool) -> Report:
    """Compare everything. Raises KotaError if a list cannot be read to its end: what was not read is not missing.

    With `repair`, creates that a restore holds back may go on afterwards.
    """
    report = Report()
    employers = [employer async for employer in list_records(kota, employer_id=None)]
    report.employers = len(employers)
    await _compare(sessions, kota, EMPLOYERS, employers, None, report=report, repair=repair)
    for employer in employers:
        employees = [employee async for employee in list_records(kota, employer_id=employer.id)]
        report.employees += len(employees)
        await _compare(sessions, kota, EMPLOYEES, employees, employer.id, report=report, repair=repair)
    if repair:
        async with sessions.begin() as session:
            await gate.release_creates(session)
    return report


async def _compare(
    sessions: Sessions,
    kota: KotaClient,
    kind: Kind,
    found: Iterable[KotaRecord],
    employer_id: str | None,
    *,
    report: Report,
    repair: bool,
) -> None:
    async with sessions() as session:
        known = await _known(session, kind, employer_id)
    by_id = {record.kota_id: record for record in known if record.kota_id is not None}
    unlinked = {record.ref for record in known if record.kota_id is None}
    shown = {item.id: item for item in found}
    by_reference: defaultdict[str, list[str]] = defaultdict(list)
    for item in shown.values():
        if (reference := reference_of(item)) is not None:
            by_reference[reference].append(item.id)
    for reference, ids in by_reference.items():
        if len(ids) > 1:
            report.findings.append(Finding(Drift.DUPLICATED, kind.name, reference, tuple(sorted(ids))))
    for item in shown.values():
        record = by_id.get(item.id)
        reference = reference_of(item)
        if record is not None:
            if record.kota_status is not None and record.kota_status != item.status:
                await _note_status(sessions, kind, record.ref, item, report, repair=repair)
        elif reference in unlinked and len(by_reference[reference]) == 1:
            repaired = repair and await _adopt(sessions, kind, reference, item)
            report.findings.append(Finding(Drift.NOT_LINKED, kind.name, reference, (item.id,), repaired))
        elif reference is None or len(by_reference[reference]) == 1:
            report.findings.append(Finding(Drift.UNKNOWN_HERE, kind.name, reference, (item.id,)))
    for kota_id, record in by_id.items():
        if kota_id not in shown and await _is_missing(kota, kind, kota_id):
            report.findings.append(Finding(Drift.MISSING_THERE, kind.name, record.ref, (kota_id,)))


async def _known(session: AsyncSession, kind: Kind, employer_id: str | None) -> list[_Known]:
    model = kind.model
    statement = select(model.ref, model.kota_id, model.kota_status)
    if kind.has_employer:
        of_employer = select(Employer.ref).where(Employer.kota_id == employer_id)
        statement = statement.where(model.employer_ref.in_(of_employer))
    return [_Known(*row) for row in await session.execute(statement)]


async def _is_missing(kota: KotaClient, kind: Kind, kota_id: str) -> bool:
    """Lists are behind now and then, so a record that is not listed is asked for by its id."""
    try:
        await get_record(kota, kind, kota_id)
    except KotaNotFound:
        return True
    return False


async def _note_status(
    sessions: Sessions, kind: Kind, ref: str, item: KotaRecord, report: Report, *, repair: bool
) -> None:
    if repair:
        async with sessions.begin() as session:
            await mark_all_dirty(session, [Resource(kind.name.value, item.id)])
    report.findings.append(Finding(Drift.STATUS_DIFFERS, kind.name, ref, (item.id,), repair))


async def _adopt(sessions: Sessions, kind: Kind, ref: str, item: KotaRecord) -> bool:
    """Bind the record, unless somebody else holds it or was faster."""
    async with sessions.begin() as session:
        record = await session.get(kind.model, ref, with_for_update={"key_share": True}, options=unread(kind))
        if record is None or record.kota_id is not None:
            return False
        # A push that is under way finds the same at Kota, and there is one at a time.
        if await session.scalar(select(kind.model.lease_until > func.now()).where(kind.model.ref == ref)):
            return False
        record.lease_token = record.lease_until = None
        await bind(session, kind, record, item)
    return True
