"""Every request to the API, for tests to look at. The oldest go when there are too many."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.sandbox.clock import iso
from app.sandbox.http import Call
from app.sandbox.store import Json

MOST_REQUESTS = 200_000
MOST_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Logged:
    """`status` is None as long as nothing was answered: still running, or dropped."""

    call: Call
    at: float
    status: int | None = None


class RequestLog:
    def __init__(self) -> None:
        self._entries: deque[Logged] = deque()
        self._bytes = 0

    def add(self, call: Call, *, at: float) -> Logged:
        entry = Logged(call, at)
        self._entries.append(entry)
        self._bytes += len(call.body)
        while len(self._entries) > MOST_REQUESTS or self._bytes > MOST_BYTES:
            self._bytes -= len(self._entries.popleft().call.body)
        return entry

    def find(self, *, method: str | None, path: str | None) -> Iterator[Json]:
        """Oldest first. `path` is a whole path or, with a `*` at its end, the start of one."""
        for entry in self._entries:
            if method and entry.call.method != method.upper():
                continue
            if path and not _is_path(entry.call.path, path):
                continue
            yield _shown(entry)

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0


def _is_path(path: str, wanted: str) -> bool:
    return path.startswith(wanted[:-1]) if wanted.endswith("*") else path == wanted


def _shown(entry: Logged) -> Json:
    call = entry.call
    return {
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "headers": call.headers,
        "body": _readable(call.body),
        # Retries have to repeat the exact bytes, which a parsed body would not tell.
        "body_sha256": sha256(call.body).hexdigest(),
        "status": entry.status,
        "at": iso(entry.at),
    }


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
