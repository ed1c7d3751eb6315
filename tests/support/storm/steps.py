"""In which step of processing events a process was when it was killed.

The API is asked from outside: it is frozen, and what it was sent and did not answer is either on disk or not. A worker
says at debug level what it does, so its last words about each resource tell.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

RECEIVED, STORED, ROUTED, LEASED, READ, PROJECTED = "received", "stored", "routed", "leased", "read", "projected"
API_STEPS = (RECEIVED, STORED)
WORKER_STEPS = {
    "events.routing.started": ROUTED,
    "events.resource.leased": LEASED,
    "events.resource.fetched": READ,
    "events.resource.projected": PROJECTED,
}
STEPS = (*API_STEPS, *WORKER_STEPS.values())
_ENDED = {"events.resource.read", "events.resource.unread", "events.lease.lost"}


def api_steps(in_flight: Counter[str], *, stored: Mapping[str, int], answered: Mapping[str, int]) -> set[str]:
    """Of deliveries without an answer: which are not stored yet, and which are.

    `stored` is how many deliveries of each event are on disk, `answered` how many of them were answered.
    """
    steps = set()
    for event_id, count in in_flight.items():
        unanswered = stored.get(event_id, 0) - answered.get(event_id, 0)
        steps |= {STORED} if unanswered > 0 else set()
        steps |= {RECEIVED} if unanswered < count else set()
    return steps


def worker_steps(log: str) -> set[str]:
    """What a worker was in the middle of when its log ended.

    `projected` is the most dangerous: the transaction is written and nobody knows whether it was committed.
    """
    last: dict[tuple[str, str], str] = {}
    routing = False
    for line in _lines(log):
        event = str(line.get("event", ""))
        if event.startswith("events.routing."):
            routing = event == "events.routing.started"
        elif event in WORKER_STEPS or event in _ENDED:
            last[str(line["kind"]), str(line["resource_id"])] = event
    steps = {WORKER_STEPS[event] for event in last.values() if event in WORKER_STEPS}
    return steps | ({ROUTED} if routing else set())


def _lines(log: str) -> Iterator[dict[str, Any]]:
    for text in log.splitlines():
        if '"events.' not in text:
            continue
        # The last line may be cut where the process died.
        try:
            yield json.loads(text)
        except ValueError:
            continue
