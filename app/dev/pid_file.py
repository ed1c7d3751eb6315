"""The `postmaster.pid` in a data folder: what a PostgreSQL server says about itself while it runs."""

import subprocess
from pathlib import Path

NAME = "postmaster.pid"


def says_ready(data: Path, *, pid: int) -> bool:
    """Whether the server takes connections: its pid is the first line of the file, its state the eighth."""
    lines = _read(data)
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def running_server(data: Path) -> int | None:
    """The pid of the server that runs on `data`; None if the file is stale, whoever has the pid in it by now."""
    lines = _read(data)
    pid = int(lines[0]) if lines and lines[0].isdigit() else 0
    return pid if pid and _works_in(data, pid=pid) else None


def remove(data: Path) -> None:
    (data / NAME).unlink(missing_ok=True)


def _read(data: Path) -> list[str]:
    try:
        return (data / NAME).read_text().splitlines()
    except FileNotFoundError:
        return []


def _works_in(data: Path, *, pid: int) -> bool:
    """A server's working directory is its data folder; without /proc, its command line names it."""
    if Path("/proc/self/cwd").exists():
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False  # Ended, or another user's: a server has the owner of its folder.
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return str(data) in subprocess.run(command, capture_output=True, check=False, text=True).stdout
