"""`/internal/events`: what Kota told, what became of it, and doing it again."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from app.audit.trail import record
from app.auth.callers import EventsCaller
from app.errors import FieldError, InvalidInput
from app.events.inbox import Selection, get_event, list_events, replay_event, replay_events
from app.events.reconcile import reconcile_from, reconcile_soon
from app.models.kota_event import EventState, KotaEvent
from app.web.dependencies import NowDep, RequestIdDep, SessionDep, SessionsDep, SettingsDep
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.routing import router as new_router
from app.web.times import Instant

router = new_router(prefix="/internal/events", tags=["events"])

# PostgreSQL cannot store NUL, and refuses to compare with it.
STORABLE = r"^[^\x00]+$"
EventId = Annotated[str, Path(max_length=255, pattern=STORABLE, description="Kota's id, `evt_…`")]
_KEY = TypeAdapter(tuple[Instant, str])


class EventError(BaseModel):
    """Why the last attempt failed."""

    code: str


class EventOut(BaseModel):
    """An event of Kota's. What it said is not shown: v1 bodies hold personal data."""

    id: str
    type: str
    version: str
    state: EventState
    deliveries: int
    attempts: int
    received_at: datetime
    processed_at: datetime | None
    last_error: EventError | None


class EventPage(BaseModel):
    """Events, newest first."""

    items: list[EventOut]
    next_cursor: str | None


class ReplayIn(BaseModel):
    """Which events to process again: all that fit every given member, of which there must be one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"state": "dead", "type": "enrolment_intent.action_required"}],
            "anyOf": [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
                for name in ("state", "type", "received_from", "received_until")
            ],
        },
    )

    state: EventState | None = None
    type: str | None = Field(default=None, max_length=255, pattern=STORABLE)
    received_from: Instant | None = None
    received_until: Instant | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not any([self.state, self.type, self.received_from, self.received_until]):
            raise ValueError("name at least one of state, type, received_from, received_until")
        return self


class Started(BaseModel):
    """It is under way."""

    status: Literal["started"]


class Replayed(BaseModel):
    """How many events are processed again."""

    replayed: int


async def get_selection(
    state: Annotated[EventState | None, Query(description="Only events in this state")] = None,
    type: Annotated[str | None, Query(max_length=255, pattern=STORABLE, description="Only events of this type")] = None,
    received_from: Annotated[Instant | None, Query(description="Received then or later")] = None,
    received_until: Annotated[Instant | None, Query(description="Received before then")] = None,
) -> Selection:
    """The events that the query names."""
    return Selection(state, type, received_from, received_until)


SelectionDep = Annotated[Selection, Depends(get_selection)]


def event_out(event: KotaEvent) -> EventOut:
    """An event as it is shown."""
    return EventOut(
        id=event.id,
        type=event.type,
        version=event.version,
        state=event.state,
        deliveries=event.deliveries,
        attempts=event.attempts,
        received_at=event.received_at,
        processed_at=event.processed_at,
        last_error=EventError(code=event.error_code) if event.error_code else None,
    )


@router.get("", summary="List events", responses=problems(401, 403, 422))
async def list_(_caller: EventsCaller, session: SessionDep, page: PageDep, selection: SelectionDep) -> EventPage:
    """Newest first."""
    found = await list_events(session, selection, before=page.key(_KEY), limit=page.limit + 1)
    events, cursor = page.cut(found, lambda event: (event.received_at, event.id))
    return EventPage(items=[event_out(event) for event in events], next_cursor=cursor)


@router.post("/replay", status_code=202, summary="Replay events", responses=problems(401, 403, 415, 422))
async def replay_many(
    caller: EventsCaller, sessions: SessionsDep, request_id: RequestIdDep, wanted: ReplayIn
) -> Replayed:
    """Each is routed and its resource read anew, whatever became of it before."""
    selection = Selection(wanted.state, wanted.type, wanted.received_from, wanted.received_until)
    async with sessions.begin() as session:
        await record(session, caller, action="event.replay_many", subject=selection.name(), request_id=request_id)
    return Replayed(replayed=await replay_events(sessions, selection))


@router.post(
    "/reconcile", status_code=202, summary="Reconcile with Kota's list of events", responses=problems(401, 403, 422)
)
async def reconcile(
    *,
    caller: EventsCaller,
    session: SessionDep,
    settings: SettingsDep,
    request_id: RequestIdDep,
    now: NowDep,
    since: Annotated[Instant | None, Query(description="Where to begin at the latest, at most 30 days ago")] = None,
) -> Started:
    """A worker reads Kota's own list of events within seconds, and stores what no delivery brought.

    It begins where the last run ended, or at `since` if that is earlier.
    """
    if since is not None and since > now:
        raise InvalidInput(errors=[FieldError("/query/since", "lies in the future")])
    subject = f"events:since={since.isoformat()}" if since else "events"
    await record(session, caller, action="event.reconcile", subject=subject, request_id=request_id)
    if since is None:
        await reconcile_soon(session)
    else:
        await reconcile_from(session, since, version=settings.kota_events_version, now=now)
    return Started(status="started")


@router.get("/{event_id}", summary="Get an event", responses=problems(401, 403, 404))
async def show(_caller: EventsCaller, session: SessionDep, event_id: EventId) -> EventOut:
    """By Kota's id."""
    return event_out(await get_event(session, event_id))


@router.post("/{event_id}/replay", status_code=202, summary="Replay an event", responses=problems(401, 403, 404))
async def replay_one(
    caller: EventsCaller, session: SessionDep, request_id: RequestIdDep, event_id: EventId
) -> EventOut:
    """Routed and its resource read anew, whatever became of it before."""
    event = await replay_event(session, event_id)
    await record(session, caller, action="event.replay", subject=f"event:{event_id}", request_id=request_id)
    return event_out(event)
