"""Kota's log of events: what a webhook may have failed to tell. It goes back 30 days."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from app.kota.caller import Calls
from app.kota.connection import Request, query_of
from app.kota.envelope import Envelope, EventVersion, envelope_of
from app.kota.errors import KotaUnreadable, NotAnEvent
from app.kota.schemas.events import Replay

_EVENTS = "/events"
_EVENT = "/events/{event_id}"


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the order that was asked for. `unreadable` rows had no id or no type, and cannot be kept."""

    events: list[Envelope]
    unreadable: int


class EventCalls(Calls):
    async def list_events(
        self, *, created_after: datetime, version: EventVersion, order_direction: Literal["asc", "desc"] = "asc"
    ) -> AsyncIterator[EventPage]:
        """All pages of events since `created_after` (aware, at most 30 days ago), as they come.

        One odd row does not hide the others behind it; that is why there are pages here and no single events. A row
        that moved from one page to the next while this read appears on both.
        """
        query = query_of(created_after=_instant(created_after), version=version, order_direction=order_direction)
        async for page in self._caller.pages(_EVENTS, None, query):
            events = [event for item in page.items if (event := _event(item, version=version))]
            yield EventPage(events, unreadable=len(page.items) - len(events))

    async def get_event(self, event_id: str) -> Envelope:
        content = await self._caller.read(_EVENT, {"event_id": event_id})
        event = _event(content)
        if event is None:
            raise KotaUnreadable(f"GET {_EVENT}", "not an event")
        return event

    async def replay_event(self, event_id: str) -> Replay:
        """Have the event delivered again, once, to every endpoint that takes its type; answers when that is done."""
        request = Request("POST", f"{_EVENT}/replay", {"event_id": event_id}, idempotency_key=str(uuid4()))
        return await self._write(Replay, request, timeout=self._caller.timeouts.replay)


def _event(content: Any, *, version: EventVersion | None = None) -> Envelope | None:
    try:
        return envelope_of(content, version=version)
    except NotAnEvent:
        return None


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
