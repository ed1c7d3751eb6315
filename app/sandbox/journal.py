"""An append-only file of what happened, so that a restarted sandbox still knows it.

Lines are flushed to the operating system, not to the disk: the sandbox outlives its own death, not the machine's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

Entry = list[Any]


class Journal:
    """Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / "sandbox.jsonl" if folder else None
        self._file: BinaryIO | None = None
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)

    def replay(self) -> Iterator[Entry]:
        """Everything written so far. A last line that a crash cut short is dropped from the file as well."""
        if self._path is None or not self._path.exists():
            return
        whole = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                yield json.loads(line)
        with self._path.open("rb+") as file:
            file.truncate(whole)

    def write(self, *entry: object) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")

    def clear(self) -> None:
        if self._path is not None:
            self.close()
            self._path.write_bytes(b"")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
