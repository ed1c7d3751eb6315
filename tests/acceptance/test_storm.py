"""Events of all types while everything is killed: none is lost, and what is known here is what Kota shows.

STORM_EVENTS is how many events Kota tells of; `make soak` makes it a storm.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.models import Notification, OutboxState
from tests.processes import wait_until
from tests.support.host_receiver import SECRET, HostReceiver
from tests.support.stack import Stack
from tests.support.storm.asked import Asked
from tests.support.storm.chaos import RESTARTS, Chaos
from tests.support.storm.emission import VARIANTS, Emission
from tests.support.storm.ours import Ours
from tests.support.storm.people import People, bring_people
from tests.support.storm.steps import STEPS
from tests.support.storm.truth import Truth, listed_events, truth_of

EVENTS = int(os.environ.get("STORM_EVENTS", "300"))
SETTLES_WITHIN = 90 + EVENTS / 20
# A storm lasts for minutes: what is killed has to come back and do something before it is killed again.
RATE = max(20.0, EVENTS / 180)
PAUSE = (0.2, 0.8) if EVENTS < 1_000 else (2.0, 5.0)
LASTS_AT_MOST = 120.0 + EVENTS / 10
SETTINGS = {
    "LOG_LEVEL": "debug",
    # Each run reads the whole of the last hour.
    "RECONCILE_EVERY": str(2 + EVENTS / 500),
    "RECONCILE_LEASE": "5",
    "REPORT_LEASE": "5",
    "OUTBOX_TIMEOUT": "2",
    "OUTBOX_LEASE": "5",
    "OUTBOX_RETRY_FIRST": "0.2",
    "OUTBOX_RETRY_LONGEST": "2",
}
SANDBOX = {
    # Text comes back as it was sent, and no status is made up, so that all of it can be compared.
    "SANDBOX_KIND": "true",
    "SANDBOX_LIST_LAG": "1",
    "SANDBOX_PLATFORM_TYPE": "employer_of_record",
    "SANDBOX_LOSSES": "0.05",
    # From one to four deliveries of each event, two on average.
    "SANDBOX_DUPLICATES": "0.6",
    "SANDBOX_REORDERS": "0.5",
    # Kota's nine attempts over three days, in some ten seconds.
    "SANDBOX_RETRY_SCALE": "0.00004",
}
# An outage of Kota as a whole now and then; none of it kills an event.
FAULTS = [
    {"method": "GET", "path": "*", "kind": "status", "status": 503, "probability": 0.01},
    {"method": "GET", "path": "*", "kind": "drop_before", "probability": 0.01},
]

pytestmark = pytest.mark.acceptance


def test_nothing_is_lost_and_nothing_twice_while_everything_is_killed(tmp_path: Path) -> None:
    rng = random.Random(20260302)  # noqa: S311 - the same storm every time
    with HostReceiver(fails=0.1) as host:
        settings = SETTINGS | {"HOST_WEBHOOK_URL": host.url, "HOST_WEBHOOK_SECRET": SECRET}
        with Stack(tmp_path / "stack", apis=2, workers=2, settings=settings, sandbox=SANDBOX) as stack:
            people = bring_people(stack)
            _storm(stack, people, rng)
            ours = Ours(stack)
            _settle(stack, ours)
            truth = truth_of(stack)
            assert truth.asked
            assert ours.differences(truth, people) == []
            assert {event["type"] for event in truth.events.values()} == {type_ for type_, _ in VARIANTS}
            assert len(truth.events) >= EVENTS
            found, repeated = ours.found_and_repeated()
            assert found
            assert repeated
            _nothing_was_unexpected(stack)
            _host_knows_all(ours, host, people)
            _people_see_what_is_theirs(stack, people, truth)


def _storm(stack: Stack, people: People, rng: random.Random) -> None:
    for fault in FAULTS:
        stack.control("POST", "faults", fault)
    emission = Emission(stack, people, events=EVENTS, rate=RATE, rng=rng)
    chaos = Chaos(stack, progress=lambda: emission.share, pause=PAUSE, rng=rng)
    began = time.monotonic()
    emission.start()
    chaos.start()
    try:
        while emission.share < 1 or not chaos.is_satisfied:
            emission.check()
            chaos.check()
            assert time.monotonic() < began + LASTS_AT_MOST, (emission.share, chaos.hits, chaos.done)
            time.sleep(0.1)
    finally:
        chaos.end()
        emission.end()
    stack.control("DELETE", "faults")
    stack.wait_ready()
    print(f"{len(emission.emitted)} events, kills {dict(chaos.done)}, steps hit {dict(chaos.hits)}")
    assert chaos.done["postgres"] == RESTARTS
    assert set(chaos.hits) == set(STEPS)
    assert all(chaos.hits.values()), chaos.hits


def _settle(stack: Stack, ours: Ours) -> None:
    """Wait until every event that Kota lists is here, and nothing is left to be done."""
    began = time.monotonic()

    def is_settled() -> bool:
        time.sleep(0.5)
        return stack.control("GET", "deliveries")["pending"] == 0 and ours.unsettled() == 0

    def is_complete() -> bool:
        told = {event["id"] for version in ("v1", "v2") for event in listed_events(stack, version)}
        return told <= ours.event_ids() and is_settled()

    wait_until(is_settled, seconds=SETTLES_WITHIN)
    wait_until(is_complete, seconds=SETTLES_WITHIN)
    print(f"settled {time.monotonic() - began:.0f} s after the storm")


def _nothing_was_unexpected(stack: Stack) -> None:
    """Whatever was killed or away: that is a warning. An error would be a fault of ours."""
    lines = [line for process in (*stack.apis, *stack.workers) for line in process.logs().splitlines()]
    assert [line for line in lines if '"level": "error"' in line or '"level": "critical"' in line] == []


def _host_knows_all(ours: Ours, host: HostReceiver, people: People) -> None:
    messages = {object_: version for object_, version, _ in ours.messages()}
    assert {state for *_, state in ours.messages()} == {OutboxState.DELIVERED}
    assert host.refused == 0
    assert {object_: max(seen) for object_, seen in host.versions.items()} == messages
    # The same id and the same bytes, however often it came.
    assert {id_ for id_, bodies in host.bodies.items() if len(bodies) > 1} == set()
    assert {id_ for id_ in host.bodies if id_.rpartition(":")[0] not in messages} == set()
    assert max(host.received.values()) > 1
    notifications = ours.notifications()
    assert notifications
    refs = {kota_id: ref for ref, kota_id in people.kota_ids.items()}
    for notification in notifications:
        assert host.latest[f"notification/{notification.id}"]["data"] == _told(notification, refs)


def _told(notification: Notification, refs: dict[str, str]) -> dict[str, object]:
    """What the host is to know of a notification."""
    return {
        "id": str(notification.id),
        "state": notification.state.value,
        "audience": notification.audience.value,
        "title": notification.title,
        "body": notification.body,
        "due_on": notification.due_on and notification.due_on.isoformat(),
        "code": notification.code,
        "opened_at": notification.opened_at.isoformat(),
        "closed_at": notification.closed_at and notification.closed_at.isoformat(),
        "employer_ref": refs.get(notification.kota_employer_id or ""),
        "employee_ref": refs.get(notification.kota_employee_id or ""),
        "external_customer_id": notification.external_customer_id,
        "kota": {
            "kind": notification.kind,
            "id": notification.resource_id,
            "action": notification.action,
            "employer_id": notification.kota_employer_id,
            "employee_id": notification.kota_employee_id,
        },
    }


def _people_see_what_is_theirs(stack: Stack, people: People, truth: Truth) -> None:
    """By the real route, with a token that the host signed."""
    tokens = {
        ("employee", people.kota_ids[ref]): stack.frontend_token(record["employer_ref"], ref)
        for ref, record in people.employees.items()
    } | {("employer", people.kota_ids[ref]): stack.frontend_token(ref) for ref in people.employers}
    seen = 0
    for (audience, kota_id), token in tokens.items():
        shown = [item for item in _notifications(stack, token) if item["audience"] == audience]
        theirs = [
            asked
            for asked in truth.asked.values()
            if asked.audience == audience and kota_id == getattr(asked.concerned, f"{audience}_id")
        ]
        assert sorted(map(_shown, shown)) == sorted(map(_asked, theirs))
        seen += len(shown)
    assert seen


def _notifications(stack: Stack, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = {"limit": "200"}
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        page = httpx.get(f"{stack.api_urls[1]}/notifications", params=query, headers=headers, timeout=30).json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def _shown(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["title"], item["body"] or "", item["due_on"] or ""


def _asked(asked: Asked) -> tuple[str, str, str]:
    return asked.title, asked.body or "", asked.due_on or ""
