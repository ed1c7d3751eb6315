"""Kota's list of events as a test plays it, and what a run makes of it."""

from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import select

from app.events.reconcile import Reconciler
from app.kota import EventVersion
from app.models import KotaEvent, ReconcileCursor
from tests.integration.stack import NOW, Stack

DAY = timedelta(days=1)


class EventLog:
    """Kota's list of events, oldest first, in pages of two."""

    def __init__(self, *ages: timedelta) -> None:
        self.ages = list(ages)
        self.asked: list[datetime] = []
        self.fails_from_page: int | None = None
        self.refuses: EventVersion | None = None
        self.versions: list[str] = []
        self.of_v1 = {"id": "evt_v1", "type": "employer.updated", "created": NOW.isoformat(), "data": {"id": "er_1"}}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        after, page = datetime.fromisoformat(query["created_after"]), int(query["page"])
        assert query["order_direction"] == "asc"
        if page == 1:
            self.versions.append(query["version"])
        if query["version"] == self.refuses:
            return httpx.Response(400, json={"status": 400, "error_code": "invalid_request"})
        if query["version"] != "v2":
            return httpx.Response(200, json={"items": [self.of_v1], "page": 1, "page_size": 2, "total_count": 1})
        if page == 1:
            self.asked.append(after)
        if self.fails_from_page is not None and page >= self.fails_from_page:
            raise httpx.ConnectError("refused", request=request)
        rows = [row(age) for age in sorted(self.ages, reverse=True) if NOW - age >= after]
        items = rows[2 * page - 2 : 2 * page]
        more = len(rows) > 2 * page
        return httpx.Response(
            200,
            json={"items": items, "page": page, "page_size": 2, "total_count": len(rows), "has_next_page": more},
        )


def row(age: timedelta) -> dict[str, Any]:
    hours = int(age.total_seconds() // 3600)
    return {
        "id": f"evt_{hours}",
        "type": "policy.active",
        "created": (NOW - age).isoformat(),
        "data": {"policy_id": "p_1"},
        "api_version": "V2",
    }


def play(stack: Stack, *ages: timedelta) -> EventLog:
    log = EventLog(*ages)
    stack.played.answers["/events"] = log
    return log


def reconciler(stack: Stack) -> Reconciler:
    return Reconciler(stack.engine, stack.sessions, stack.kota, stack.keyring, "v2", clock=lambda: stack.now)


async def cursor(stack: Stack, version: EventVersion = "v2") -> ReconcileCursor:
    async with stack.sessions() as session:
        return await session.get_one(ReconcileCursor, version)


async def stored(stack: Stack) -> set[str]:
    async with stack.sessions() as session:
        return set(await session.scalars(select(KotaEvent.id)))
