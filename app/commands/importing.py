"""`kota-bff import`: a file to the service's own batches, over HTTP.

Over HTTP and not straight into the database: whoever imports needs a service key and nothing else, the file is checked
by the same code as every PUT, and it works from any machine.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from app.commands.import_files import FileLine, KindText, read_file

LINES, BYTES = 50_000, 60 * 1024 * 1024
"""Of one batch."""
TURNS = 60
"""How often it is tried again while others send batches."""


class ImportFailed(Exception):
    """The service did not take the file. The text says why, without anything of the file."""


@dataclass(slots=True)
class Progress:
    """Where the lines of all batches are."""

    total: int = 0
    pending: int = 0
    synced: int = 0
    rejected: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    """What the file of refused lines will hold: `{line, source, code, errors}`."""


def import_file(
    path: Path,
    kind: KindText,
    *,
    http: httpx.Client,
    poll_every: float,
    patience: float,
    tell: Callable[[Progress], None],
) -> Progress:
    """Send the file and wait until Kota has all of it, or for `patience` seconds without any progress.

    Raises UnreadableFile or ImportFailed.
    """
    done = Progress()
    lines = read_file(path, kind)
    while chunk := _chunk(lines):
        _import_chunk(chunk, done, http=http, poll_every=poll_every, patience=patience, tell=tell)
    return done


def _chunk(lines: Iterator[FileLine]) -> list[FileLine]:
    chunk: list[FileLine] = []
    size = 0
    for line in islice(lines, LINES):
        chunk.append(line)
        size += len(line.text)
        if size > BYTES:
            break
    return chunk


def _import_chunk(
    chunk: list[FileLine],
    done: Progress,
    *,
    http: httpx.Client,
    poll_every: float,
    patience: float,
    tell: Callable[[Progress], None],
) -> None:
    answer = _ask(http, "POST", "/internal/batches", chunk)
    before = Progress(done.total, 0, done.synced, done.rejected, done.unchanged, done.skipped)
    progressed_at = time.monotonic()
    while True:
        if (answer["pending"], answer["state"]) != (done.pending, "processing"):
            progressed_at = time.monotonic()
        for name in ("total", "pending", "synced", "rejected", "unchanged", "skipped"):
            setattr(done, name, getattr(before, name) + answer[name])
        tell(done)
        if answer["state"] == "done" or time.monotonic() - progressed_at > patience:
            break
        time.sleep(poll_every)
        answer = _ask(http, "GET", f"/internal/batches/{answer['id']}")
    _collect(chunk, done, str(answer["id"]), http=http)


def _collect(chunk: list[FileLine], done: Progress, batch: str, *, http: httpx.Client) -> None:
    cursor: str | None = None
    while True:
        query = "?limit=200" + (f"&cursor={cursor}" if cursor else "")
        page = _ask(http, "GET", f"/internal/batches/{batch}/errors{query}")
        for item in page["items"]:
            line = chunk[item["line"] - 1]
            done.refused.append(
                {"line": line.number, "code": item["code"], "errors": item["errors"], "source": line.source}
            )
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _ask(http: httpx.Client, method: str, path: str, chunk: list[FileLine] | None = None) -> dict[str, Any]:
    for _ in range(TURNS):
        answer = _ask_once(http, method, path, chunk)
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            break
        time.sleep(float(answer.headers.get("retry-after", "1")))
    if not answer.is_success:
        raise ImportFailed(f"the service answered {answer.status_code} {_code(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def _ask_once(http: httpx.Client, method: str, path: str, chunk: list[FileLine] | None) -> httpx.Response:
    try:
        if chunk is None:
            return http.request(method, path)
        content = (line.text for line in chunk)
        return http.request(method, path, content=content, headers={"Content-Type": "application/x-ndjson"})
    except httpx.TransportError as error:
        raise ImportFailed(f"the service does not answer ({type(error).__name__}); send the file again") from error


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except (json.JSONDecodeError, AttributeError):
        return ""


def write_refused(path: Path, done: Progress) -> None:
    """The lines that were refused and why, as NDJSON that can be corrected. It holds personal data, like its source."""
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for item in done.refused:
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
