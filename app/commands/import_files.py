"""Files that hosts import: NDJSON or CSV in, lines of a batch out.

NDJSON has one object a line: the record's fields and its `ref`. CSV has a header with the same names; a field of a
sub-object is written with a dot (`home_address.line1`, `metadata.cost_centre`), and an empty cell is a field that is
not set.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

KindText = Literal["employer", "employee"]


class UnreadableFile(Exception):
    """The file is neither CSV with a `ref` column nor NDJSON."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """One record of a file, as a line of a batch. `number` is the line in the file, from 1; the header counts."""

    number: int
    text: bytes
    """What is sent."""
    source: dict[str, Any] | str
    """What stood in the file, for the file of refused lines."""


def read_file(path: Path, kind: KindText) -> Iterator[FileLine]:
    """The records in the file, one after the other; UnreadableFile if it has no form that is known."""
    if path.suffix.lower() == ".csv":
        yield from _csv(path, kind)
    else:
        yield from _ndjson(path, kind)


def _ndjson(path: Path, kind: KindText) -> Iterator[FileLine]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                content = json.loads(text)
            except ValueError:
                content = None
            if isinstance(content, dict):
                ref = content.pop("ref", None)
                yield FileLine(number, _line(kind, ref, content), {"ref": ref, **content})
            else:
                # Sent all the same: the service refuses it, and so it is counted and reported like any other.
                yield FileLine(number, _line(kind, None, {}), text.rstrip("\n"))


def _csv(path: Path, kind: KindText) -> Iterator[FileLine]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file, restkey="")
        if "ref" not in (rows.fieldnames or ()):
            raise UnreadableFile("the CSV file has no column ref")
        for row in rows:
            cells = {name: cell for name, cell in row.items() if isinstance(cell, str) and cell != ""}
            ref = cells.pop("ref", None)
            yield FileLine(rows.line_num, _line(kind, ref, nested(cells)), {"ref": ref, **cells})


def nested(cells: dict[str, str]) -> dict[str, Any]:
    """Cells whose names have a dot as members of sub-objects."""
    record: dict[str, Any] = {}
    for name, cell in cells.items():
        outer, dot, inner = name.partition(".")
        if dot:
            sub = record.setdefault(outer, {})
            if isinstance(sub, dict):
                sub[inner] = cell
        else:
            record[name] = cell
    return record


def _line(kind: KindText, ref: Any, record: dict[str, Any]) -> bytes:
    return json.dumps({"kind": kind, "ref": ref, "record": record}, ensure_ascii=False).encode() + b"\n"
