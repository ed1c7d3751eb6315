"""Files that two processes may reach for at once, or a kill may cut short."""

import fcntl
import os
import secrets
from pathlib import Path


def open_lock(path: Path) -> int:
    """A file descriptor for `try_lock`. The lock lasts as long as any process has it open."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Whole or not at all: written beside it, for the owner's eyes only, then renamed."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_or_make_secret(path: Path) -> str:
    """43 characters that are safe in URLs and shells; the same ones ever after."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text()
