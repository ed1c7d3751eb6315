"""The inbox as people see it: look events up, and have them processed again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.errors import NotFound
from app.models.kota_event import EventState, KotaEvent, locked_in_order
from app.queue.bell import ring
from app.webhooks.store import STORED

_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events; None is any. `received_from` is included, `received_until` is not."""

    state: EventState | None = None
    type: str | None = None
    received_from: datetime | None = None
    received_until: datetime | None = None

    def name(self) -> str:
        """The selection for the audit trail."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return "events:" + ",".join(f"{name}={value}" for name, value in given.items())

    def conditions(self) -> list[ColumnElement[bool]]:
        """The selection in SQL."""
        conditions: list[ColumnElement[bool]] = []
        if self.state is not None:
            # Written out: an index of one state's rows is of no use to a prepared statement that takes any state.
            state = bindparam(None, self.state, type_=KotaEvent.state.type, literal_execute=True)
            conditions.append(KotaEvent.state == state)
        if self.type is not None:
            conditions.append(KotaEvent.type == self.type)
        if self.received_from is not None:
            conditions.append(KotaEvent.received_at >= self.received_from)
        if self.received_until is not None:
            conditions.append(KotaEvent.received_at < self.received_until)
        return conditions


async def list_events(
    session: AsyncSession, selection: Selection, *, before: tuple[datetime, str] | None, limit: int
) -> Sequence[KotaEvent]:
    """Events, newest first, that came before the one received at that time with that id."""
    conditions = selection.conditions()
    if before is not None:
        conditions.append(tuple_(KotaEvent.received_at, KotaEvent.id) < tuple_(*before))
    found = await session.scalars(
        select(KotaEvent).where(*conditions).order_by(KotaEvent.received_at.desc(), KotaEvent.id.desc()).limit(limit)
    )
    return found.all()


async def get_event(session: AsyncSession, event_id: str) -> KotaEvent:
    """One event; raises NotFound."""
    event = await session.get(KotaEvent, event_id)
    if event is None:
        raise NotFound
    return event


async def replay_event(session: AsyncSession, event_id: str) -> KotaEvent:
    """Have one event processed again, whatever became of it; raises NotFound."""
    await _replay(session, [KotaEvent.id == event_id])
    return await get_event(session, event_id)


async def replay_events(sessions: Sessions, selection: Selection) -> int:
    """Have events processed again; how many. In many short transactions, so that intake never waits for it."""
    replayed, last = 0, ""
    while True:
        async with sessions.begin() as session:
            chunk = select(KotaEvent.id).where(KotaEvent.id > last, *selection.conditions())
            ids = (await session.scalars(chunk.order_by(KotaEvent.id).limit(_CHUNK))).all()
            replayed += await _replay(session, [KotaEvent.id.in_(ids)])
        if len(ids) < _CHUNK:
            return replayed
        last = ids[-1]


async def _replay(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> int:
    # Without its mark an event is routed anew, by the tables of this version.
    locked = locked_in_order(*conditions)
    replayed = await session.execute(
        update(KotaEvent)
        .where(KotaEvent.id == locked.c.id)
        .values(
            state=EventState.PENDING,
            attempts=0,
            resource_seq=None,
            error_code=None,
            processed_at=None,
        )
        .returning(KotaEvent.id)
        .execution_options(synchronize_session=False)
    )
    await ring(session, STORED)
    return len(replayed.all())


async def count_events(session: AsyncSession, selection: Selection) -> int:
    """How many there are."""
    return await session.scalar(select(func.count()).select_from(KotaEvent).where(*selection.conditions())) or 0
