"""The gates before Kota, in the database, so that all workers stop and go on together.

401 and 403 are our fault, not a record's: the first push that meets one closes the gate and raises the one alert; then
a single push at a time probes, and the first that gets any other answer opens it.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Gate, PushGate
from app.ops.metrics import PUSHING_PAUSED
from app.queue.bell import ring
from app.sync.kinds import EMPLOYEES, EMPLOYERS

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """How much may be claimed now."""

    limit: int
    creates: bool
    is_probe: bool = False


_CLOSED = select(PushGate).where(PushGate.opened_at.is_(None))


async def opening(session: AsyncSession, *, limit: int, api_key: str, restored: bool) -> Opening:
    """What the gates let through of `limit` pushes. Whoever may probe takes the probe once there is a push for it, in
    the same transaction: until that ends, all others who could probe wait for it.
    """
    gates = {gate.name: gate for gate in await session.scalars(_CLOSED)}
    held = restored and await _creates_are_held(session, known=Gate.RESTORE in gates)
    refused = gates.get(Gate.API_KEY)
    PUSHING_PAUSED.set(0 if refused is None else 1)
    if refused is None:
        return Opening(limit, creates=not held)
    may_probe = or_(PushGate.probe_at <= func.now(), PushGate.api_key != api_key)
    closed = select(PushGate.name).where(PushGate.name == Gate.API_KEY, PushGate.opened_at.is_(None), may_probe)
    mine = await session.scalar(closed.with_for_update())
    return Opening(1 if mine else 0, creates=not held, is_probe=True)


async def take_probe(session: AsyncSession, *, api_key: str, probe_every: timedelta) -> None:
    """Say that a push that `opening` let through is the probe, and that there is no other for a while."""
    await session.execute(
        update(PushGate).where(PushGate.name == Gate.API_KEY).values(probe_at=func.now() + probe_every, api_key=api_key)
    )


async def close(
    session: AsyncSession, *, api_key: str, error_code: str | None, trace_id: str | None, probe_every: timedelta
) -> None:
    """Let nothing through: Kota refuses our key. Only the worker that closes an open gate says so."""
    gate = insert(PushGate).values(
        name=Gate.API_KEY,
        probe_at=func.now() + probe_every,
        api_key=api_key,
        error_code=error_code,
        error_trace_id=trace_id,
    )
    closed = await session.execute(
        gate.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "closed_at": func.now(),
                "opened_at": None,
                "probe_at": gate.excluded.probe_at,
                "api_key": gate.excluded.api_key,
                "error_code": gate.excluded.error_code,
                "error_trace_id": gate.excluded.error_trace_id,
            },
            where=PushGate.opened_at.is_not(None),
        ).returning(PushGate.name)
    )
    if closed.first() is not None:
        log.error("sync.pushing.paused", error_code=error_code, trace_id=trace_id)
    PUSHING_PAUSED.set(1)


async def open_again(session: AsyncSession) -> None:
    """Kota took our key: let everything through."""
    opened = await session.execute(
        update(PushGate)
        .where(PushGate.name == Gate.API_KEY, PushGate.opened_at.is_(None))
        .values(opened_at=func.now())
        .returning(PushGate.name)
    )
    if opened.first() is not None:
        log.warning("sync.pushing.resumed")
        for kind in (EMPLOYERS, EMPLOYEES):
            await ring(session, kind.lane)
    PUSHING_PAUSED.set(0)


async def hold_creates(session: AsyncSession) -> None:
    """Hold creates back until an audit has repaired, unless one did since this was first said."""
    await session.execute(insert(PushGate).values(name=Gate.RESTORE).on_conflict_do_nothing())


async def release_creates(session: AsyncSession) -> None:
    """An audit has adopted what Kota has: creates may go on, for as long as the service is said to be restored."""
    gate = insert(PushGate).values(name=Gate.RESTORE, opened_at=func.now())
    await session.execute(gate.on_conflict_do_update(index_elements=["name"], set_={"opened_at": func.now()}))
    for kind in (EMPLOYERS, EMPLOYEES):
        await ring(session, kind.lane)


async def forget_restore(session: AsyncSession) -> None:
    """The service is not said to be restored any more. The next restore must not find the gate open already."""
    await session.execute(delete(PushGate).where(PushGate.name == Gate.RESTORE))


async def _creates_are_held(session: AsyncSession, *, known: bool) -> bool:
    """Whether creates are held: they are, unless an audit has opened the gate."""
    if known:
        return True
    opened = select(PushGate.name).where(PushGate.name == Gate.RESTORE, PushGate.opened_at.is_not(None))
    return await session.scalar(opened) is None
