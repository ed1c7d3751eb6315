"""Events of all types while everything is killed: none is lost, and what is known here is what Kota shows.

STORM_EVENTS is how many events Kota tells of; `make soak` makes it a storm.
"""

import asyncio
import json
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.events.catalogue import KINDS, TYPES
from app.notifications.actions import ACTIONS, actions_of
from tests.processes import wait_until
from tests.support.host_receiver import SECRET, HostReceiver
from tests.support.stack import API_KEY, Stack

EVENTS = int(os.environ.get("STORM_EVENTS", "300"))
SETTLES_WITHIN = 90 + EVENTS / 20
SETTINGS = {
    "RECONCILE_EVERY": "2",
    "RECONCILE_LEASE": "5",
    "OUTBOX_TIMEOUT": "2",
    "OUTBOX_LEASE": "5",
    "OUTBOX_RETRY_FIRST": "0.2",
    "OUTBOX_RETRY_LONGEST": "2",
}
# Kota's nine attempts over three days, in half a minute.
SANDBOX = {
    "SANDBOX_KIND": "true",
    "SANDBOX_LOSSES": "0.05",
    "SANDBOX_DUPLICATES": "0.6",
    "SANDBOX_REORDERS": "0.5",
    "SANDBOX_RETRY_SCALE": "0.0001",
}

pytestmark = pytest.mark.acceptance


class Chaos(threading.Thread):
    """Kills processes, and restarts the database twice, until told to stop."""

    def __init__(self, stack: Stack, rng: random.Random) -> None:
        super().__init__()
        self._stack = stack
        self._rng = rng
        self._stop_it = threading.Event()
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        restarts = 0
        while not self._stop_it.wait(self._rng.uniform(0.5, 1.5)):
            victim = self._rng.choice([*self._stack.apis, *self._stack.workers])
            victim.kill()
            victim.start()
            self.done[victim.name] += 1
            if restarts < 2 and sum(self.done.values()) % 4 == 3:
                self._stack.postgres.restart()
                self.done["postgres"] += 1
                restarts += 1

    def end(self) -> None:
        self._stop_it.set()
        self.join()


def test_nothing_is_lost_and_nothing_twice_while_everything_is_killed(tmp_path: Path) -> None:
    rng = random.Random(20260302)  # noqa: S311 - the same storm every time
    with HostReceiver() as host:
        settings = SETTINGS | {"HOST_WEBHOOK_URL": host.url, "HOST_WEBHOOK_SECRET": SECRET}
        with Stack(tmp_path / "stack", apis=2, workers=2, settings=settings, sandbox=SANDBOX) as stack:
            chaos = Chaos(stack, rng)
            chaos.start()
            try:
                _emit(stack, rng)
                while chaos.done["postgres"] < 2:
                    time.sleep(0.1)
            finally:
                chaos.end()
            stack.wait_ready()
            told = _settled(stack)
            _everything_is_as_kota_shows_it(stack)
            _host_knows_all(stack, host)
            assert told >= EVENTS
            assert sum(chaos.done.values()) >= 5, chaos.done


def _emit(stack: Stack, rng: random.Random) -> None:
    """Events of all types, half of them about resources that were told of before."""
    known: dict[str, list[dict[str, Any]]] = {}
    types = [type_ for type_ in TYPES if type_ != "enrolment_intent.coverage_options_required"]
    with httpx.Client(base_url=stack.sandbox_url, timeout=30) as kota:
        for number in range(EVENTS):
            type_ = types[number % len(types)] if number < len(types) else rng.choice(types)
            kind = TYPES[type_].kind
            again = kind in known and kind != "group_member" and rng.random() < 0.5
            data = rng.choice(known[kind]) if again else {}
            ids = {name: value for name, value in data.items() if name == "id" or name.endswith("_id")}
            answer = kota.post("/_control/emit", json={"type": type_, "version": "v2", "data": ids})
            answer.raise_for_status()
            known.setdefault(kind, []).append(answer.json()["data"])
            if rng.random() < 0.2:
                kota.post(
                    f"/events/{answer.json()['id']}/replay",
                    headers={"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": f"replay-{number}-of-the-storm"},
                )


def _settled(stack: Stack) -> int:
    """Waits until every event that Kota knows is stored and processed; how many there are."""

    def settled() -> bool:
        told = {event["id"] for event in _listed(stack, "/events?version=v2")}
        rows = dict(_rows(stack, "SELECT id, state FROM kota_events"))
        resources = _rows(stack, "SELECT count(*) FROM kota_resources WHERE dirty_seq > clean_seq")
        unread = {state for state in rows.values() if state not in {"processed", "ignored"}}
        return told <= set(rows) and not unread and resources == [(0,)]

    wait_until(settled, seconds=SETTLES_WITHIN)
    stored = _rows(stack, "SELECT id, state FROM kota_events")
    assert {id_ for id_, _ in stored} == {event["id"] for event in _listed(stack, "/events?version=v2")}
    assert {state for _, state in stored} == {"processed"}
    return len(stored)


def _everything_is_as_kota_shows_it(stack: Stack) -> None:
    opened = {
        (kind, id_, action): state
        for kind, id_, action, state in _rows(stack, "SELECT kind, resource_id, action, state FROM notifications")
    }
    expected = set()
    wrong = []
    resources = _rows(stack, "SELECT kind, id, kota_status, path_params::text FROM kota_resources")
    with httpx.Client(base_url=stack.sandbox_url, headers={"Authorization": f"Bearer {API_KEY}"}) as kota:
        for kind, id_, status, params in resources:
            if kind == "group_member":
                continue
            content = _read(kota, kind, id_, params)
            if content.get("status") != status:
                wrong.append((kind, id_, status, content.get("status")))
            if kind == "group_quote_intent" and status == "quote_available":
                content["expires_at"] = _read_quote(kota, id_)
            expected |= {(kind, id_, action.name) for action in actions_of(kind, content)}
    assert wrong == []
    assert {key for key, state in opened.items() if state == "open"} == expected
    assert len(expected) > 0
    assert {kind for kind, *_ in resources} >= set(ACTIONS)


def _host_knows_all(stack: Stack, host: HostReceiver) -> None:
    def delivered() -> bool:
        return _rows(stack, "SELECT count(*) FROM outbox_messages WHERE state <> 'delivered'") == [(0,)]

    wait_until(delivered, seconds=60)
    for id_, state in _rows(stack, "SELECT id::text, state FROM notifications"):
        assert host.latest[f"notification/{id_}"]["data"]["state"] == state
    for object_, version in _rows(stack, "SELECT object, version FROM outbox_messages"):
        assert max(host.versions[object_]) == version


def _read(kota: httpx.Client, kind: str, id: str, params: str) -> dict[str, Any]:
    ids = json.loads(params) | {KINDS[kind].own: id}
    answer = kota.get(KINDS[kind].path.format_map(ids))
    answer.raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


def _read_quote(kota: httpx.Client, intent_id: str) -> str | None:
    answer = kota.get(f"/group_quote_intents/{intent_id}/quote")
    return answer.json().get("expires_at") if answer.is_success else None


def _listed(stack: Stack, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=stack.sandbox_url, headers={"Authorization": f"Bearer {API_KEY}"}) as kota:
        page = 1
        while True:
            answer = kota.get(path, params={"version": "v2", "page": page, "page_size": 100, "order_direction": "asc"})
            answer.raise_for_status()
            found += answer.json()["items"]
            if not answer.json()["has_next_page"]:
                return found
            page += 1


def _rows(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(stack.postgres.url.replace("postgresql+asyncpg://", "postgresql://"))
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())
