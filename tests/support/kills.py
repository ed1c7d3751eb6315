"""Which step of a push a SIGKILL hit, read from what the killed process said last."""

import json
from collections.abc import Iterator
from typing import Any

STEPS = {
    "sync.record.stored": "stored",
    "sync.push.leased": "leased",
    "sync.push.sent": "sent",
    "sync.push.answered": "answered",
    "sync.push.recorded": "recorded",
}


def steps_hit(log: str) -> set[str]:
    """The steps in which records were when the process died: the last that it said of each record it still had.

    A recorded push is done, so it was hit in this step only if that is the last thing that the process said of any.
    An API says `stored`, and is done with a record once it has answered the request.
    """
    last: dict[tuple[str, str], str] = {}
    final = None
    answered: set[str] = set()
    stored_by: dict[tuple[str, str], str | None] = {}
    for line in _lines(log):
        event = line.get("event", "")
        if event == "web.request":
            answered.add(str(line.get("request_id")))
        step = STEPS.get(event)
        if step is None:
            continue
        record = str(line["kind"]), str(line["ref"])
        last[record] = final = step
        if step == "stored":
            stored_by[record] = line.get("request_id")
    hit = {step for record, step in last.items() if step not in {"recorded", "stored"}}
    hit |= {"stored" for record, step in last.items() if step == "stored" and stored_by[record] not in answered}
    return hit | ({"recorded"} if final == "recorded" else set())


def _lines(log: str) -> Iterator[dict[str, Any]]:
    for text in log.splitlines():
        # The last line may be cut where the process died.
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            yield line
