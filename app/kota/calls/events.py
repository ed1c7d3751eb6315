"""Kota's log of events: what a webhook may have failed to tell. It goes back 30 days."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.kota.caller import Calls
from app.kota.connection import query_of
from app.kota.envelope import Envelope, EventVersion, envelope_of
from app.kota.errors import NotAnEvent


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, oldest first. `unreadable` rows had no id or no type, and cannot be kept."""

    events: list[Envelope]
    unreadable: int


class EventCalls(Calls):
    async def list_events(self, *, created_after: datetime, version: EventVersion) -> AsyncIterator[EventPage]:
        """All pages of events since `created_after` (aware, at most 30 days ago), as they come.

        One odd row does not hide the others behind it; that is why there are pages here and no single events. A row
        that moved from one page to the next while this read appears on both.
        """
        query = query_of(created_after=_instant(created_after), version=version, order_direction="asc")
        async for page in self._caller.pages("/events", None, query):
            events = [event for item in page.items if (event := _event(item, version=version))]
            yield EventPage(events, unreadable=len(page.items) - len(events))


def _event(content: Any, *, version: EventVersion) -> Envelope | None:
    try:
        return envelope_of(content, version=version)
    except NotAnEvent:
        return None


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
