"""Take in a batch while it arrives, in transactions of some hundred lines, and say how far it is.

A batch holds no records: its lines go straight into the desired state. So a batch that breaks off has done what it
has done, and sending it again does the rest.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, delete, func, insert, literal, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.trail import Note
from app.db.engine import Sessions
from app.errors import AppError, NotFound, TooLarge
from app.models import Batch, BatchLine, BatchState, SyncState
from app.sync.batch_lines import Line, read_line, split_lines
from app.sync.kinds import KINDS, OFFBOARDED, Kind
from app.sync.refusals import Offboarded
from app.sync.store import Effect, Outcome, store
from app.sync.texts import unread

MAX_LINES = 50_000
CHUNK = 500
"""Lines in one transaction."""
SILENT = timedelta(minutes=5)
"""Without a further line for so long, a batch does not arrive any more: a body has two minutes (`app.web.protocol`)."""


class UnknownBatch(NotFound):
    """There is no such batch, or it was forgotten."""

    code = "unknown_batch"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some lines."""

    counts: Counter[str]
    rows: list[dict[str, Any]]


async def receive(
    sessions: Sessions, batch_id: UUID, stream: AsyncIterator[bytes], *, lookup_key: bytes, now: datetime, note: Note
) -> None:
    """Take in every line of `stream` as the batch `batch_id`, which does not exist yet.

    Raises TooLarge after the last line that is allowed; what came before it was taken in. So `note` writes down who
    sends it before the first line changes anything.
    """
    async with sessions.begin() as session:
        await session.execute(insert(Batch).values(id=batch_id))
        await note(session)
    state = BatchState.INCOMPLETE
    try:
        await _receive_lines(sessions, batch_id, stream, lookup_key=lookup_key, now=now)
        state = BatchState.RECEIVED
    finally:
        async with sessions.begin() as session:
            await session.execute(update(Batch).where(Batch.id == batch_id).values(state=state, updated_at=func.now()))


async def _receive_lines(
    sessions: Sessions, batch_id: UUID, stream: AsyncIterator[bytes], *, lookup_key: bytes, now: datetime
) -> None:
    chunk: list[Line] = []
    refs: set[str | None] = set()
    taken = 0
    async for number, text in split_lines(stream):
        line = read_line(number, text, lookup_key=lookup_key)
        # Order counts between the kinds, and between two lines about one record.
        if chunk and (
            len(chunk) >= CHUNK or line.kind is not chunk[-1].kind or (line.ref is not None and line.ref in refs)
        ):
            await _take(sessions, batch_id, chunk, now=now)
            chunk, refs = [], set()
        taken += 1
        if taken > MAX_LINES:
            raise TooLarge(f"A batch has at most {MAX_LINES} lines; send the rest in another.")
        chunk.append(line)
        refs.add(line.ref)
    if chunk:
        await _take(sessions, batch_id, chunk, now=now)


async def _take(sessions: Sessions, batch_id: UUID, chunk: list[Line], *, now: datetime) -> None:
    async with sessions.begin() as session:
        good = [line for line in chunk if line.wanted is not None]
        outcomes: dict[str, Outcome] = {}
        if good and good[0].kind is not None:
            outcomes = await store(session, good[0].kind, [line.wanted for line in good if line.wanted], now=now)
        taken = _account(batch_id, chunk, outcomes)
        if taken.rows:
            await session.execute(insert(BatchLine), taken.rows)
        await session.execute(
            update(Batch)
            .where(Batch.id == batch_id)
            .values(
                total=Batch.total + len(chunk),
                unchanged=Batch.unchanged + taken.counts["unchanged"],
                skipped=Batch.skipped + taken.counts["skipped"],
                updated_at=func.now(),
            )
        )


def _account(batch_id: UUID, chunk: list[Line], outcomes: dict[str, Outcome]) -> Taken:
    taken = Taken(Counter(), [])
    for line in chunk:
        outcome = line.refusal if line.refusal is not None else outcomes[line.ref or ""]
        if isinstance(outcome, Offboarded):
            taken.counts["skipped"] += 1
            continue
        kind = line.kind.name.value if line.kind else None
        row: dict[str, Any] = {"batch_id": batch_id, "line": line.number, "kind": kind, "ref": line.ref}
        if isinstance(outcome, AppError):
            errors = [fault.as_json() for fault in outcome.errors]
            taken.rows.append({**row, "version": None, "code": outcome.code, "errors": errors})
        elif outcome.effect is Effect.UNCHANGED and outcome.state is SyncState.SYNCED:
            taken.counts["unchanged"] += 1
        else:
            taken.rows.append({**row, "version": outcome.version, "code": None, "errors": None})
    return taken


async def progress(session: AsyncSession, batch_id: UUID) -> dict[str, Any]:
    """`{id, state, total, pending, synced, rejected, unchanged, skipped}`; UnknownBatch if there is none."""
    silent = Batch.updated_at < func.now() - SILENT
    row = (await session.execute(select(Batch, silent).where(Batch.id == batch_id))).one_or_none()
    if row is None:
        raise UnknownBatch
    batch, is_silent = row
    counts: Counter[str] = Counter()
    refused = select(func.count()).where(BatchLine.batch_id == batch_id, BatchLine.version.is_(None))
    counts["rejected"] = await session.scalar(refused) or 0
    for kind in KINDS.values():
        standing = _standing(kind)
        rows = await session.execute(
            select(standing, func.count())
            .select_from(BatchLine)
            .join(kind.model, kind.model.ref == BatchLine.ref, isouter=True)
            .where(BatchLine.batch_id == batch_id, BatchLine.kind == kind.name.value, BatchLine.version.is_not(None))
            .group_by(standing)
        )
        for name, count in rows:
            counts[name] += count
    return {
        "id": batch.id,
        "state": _state(batch, pending=counts["pending"], is_silent=is_silent),
        "total": batch.total,
        "pending": counts["pending"],
        "synced": counts["synced"],
        "rejected": counts["rejected"],
        "unchanged": batch.unchanged,
        "skipped": batch.skipped + counts["skipped"],
    }


def _state(batch: Batch, *, pending: int, is_silent: bool) -> str:
    if batch.state is BatchState.RECEIVED:
        return "processing" if pending else "done"
    # Whoever received it was killed, and nobody else will say so.
    return BatchState.INCOMPLETE.value if is_silent else batch.state.value


def _standing(kind: Kind) -> Any:
    """How far the record of a line is: what the line wanted, or something newer."""
    model = kind.model
    return case(
        (model.synced_version >= BatchLine.version, literal("synced")),
        (_is_leaver(model), literal("skipped")),
        (model.state == SyncState.REJECTED, literal("rejected")),
        # A record that was withdrawn again is not on its way any more.
        (model.ref.is_(None), literal("skipped")),
        (model.state == SyncState.SYNCED, literal("synced")),
        else_=literal("pending"),
    )


async def rejected_lines(session: AsyncSession, batch_id: UUID, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Lines that were refused here or by Kota, in their order: `{line, kind, ref, code, errors}`."""
    if await session.get(Batch, batch_id) is None:
        raise UnknownBatch
    employers, employees = (kind.model for kind in KINDS.values())
    statement = (
        select(BatchLine, employers, employees)
        .options(*(option for kind in KINDS.values() for option in unread(kind, errors=True)))
        .join(employers, and_(BatchLine.kind == "employer", employers.ref == BatchLine.ref), isouter=True)
        .join(employees, and_(BatchLine.kind == "employee", employees.ref == BatchLine.ref), isouter=True)
        .where(
            BatchLine.batch_id == batch_id,
            BatchLine.line > after,
            or_(BatchLine.version.is_(None), *(_is_rejected(model) for model in (employers, employees))),
        )
        .order_by(BatchLine.line)
        .limit(limit)
    )
    found = []
    for line, employer, employee in await session.execute(statement):
        record = employer or employee
        refused_here = line.version is None
        found.append(
            {
                "line": line.line,
                "kind": line.kind,
                "ref": line.ref,
                "code": line.code if refused_here else record.error_code,
                "errors": (line.errors if refused_here else record.error_fields) or [],
                "kota_trace_id": None if refused_here else record.error_trace_id,
            }
        )
    return found


def _is_rejected(model: Any) -> Any:
    newer = func.coalesce(model.synced_version, 0) < BatchLine.version
    return and_(BatchLine.version.is_not(None), model.state == SyncState.REJECTED, newer, not_(_is_leaver(model)))


def _is_leaver(model: Any) -> Any:
    """Whether Kota showed only at the push that the record is one to leave alone."""
    return and_(model.state == SyncState.REJECTED, func.coalesce(model.error_code, "") == OFFBOARDED)


async def prune_batches(session: AsyncSession, *, older_than: timedelta) -> None:
    """Forget batches and their lines."""
    await session.execute(delete(Batch).where(Batch.created_at < func.now() - older_than))
