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

LONGEST_CELL = 1024 * 1024
"""Characters. More than the service takes of a line, so that it refuses that one; beyond, a quote was never closed."""
SURPLUS = "surplus_cells"
"""Where a row's cells without a column go: no record has such a field, so the service refuses the line."""


class UnreadableFile(Exception):
    """The file is neither CSV with a `ref` column nor NDJSON, or cannot be read on from some line."""


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
                yield _record(number, text, kind)
            except (ValueError, RecursionError):
                # Sent all the same: the service refuses it, and so it is counted and reported like any other.
                yield FileLine(number, _line(kind, None, {}), text.rstrip("\n"))


def _record(number: int, text: str, kind: KindText) -> FileLine:
    """Raises ValueError if the text is no object, and RecursionError if it is nested too deeply."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("not an object")
    ref = content.pop("ref", None)
    return FileLine(number, _line(kind, ref, content), {"ref": ref, **content})


def _csv(path: Path, kind: KindText) -> Iterator[FileLine]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        csv.field_size_limit(LONGEST_CELL)
        rows = csv.DictReader(file, restkey=SURPLUS)
        try:
            if "ref" not in (rows.fieldnames or ()):
                raise UnreadableFile("the CSV file has no column ref")
            for row in rows:
                yield _row(rows.line_num, row, kind)
        except csv.Error as error:
            # Where the row begins: a quote that was never closed took in the lines after it.
            raise UnreadableFile(f"line {rows.line_num + 1}: {error}") from error


def _row(number: int, row: dict[str, Any], kind: KindText) -> FileLine:
    cells = {name: cell for name, cell in row.items() if isinstance(cell, str) and cell != ""}
    ref = cells.pop("ref", None)
    surplus = {SURPLUS: row[SURPLUS]} if row.get(SURPLUS) else {}
    return FileLine(number, _line(kind, ref, nested(cells) | surplus), {"ref": ref, **cells, **surplus})


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
    text = json.dumps({"kind": kind, "ref": ref, "record": record}, ensure_ascii=False)
    # Half of a surrogate pair has no UTF-8, but this escape of it is JSON's as well.
    return text.encode(errors="backslashreplace") + b"\n"
