"""Runs one command and stops it when the owner at the other end of standard input is gone.

`python guardian.py STAGES COMMAND...`, where STAGES is like `INT:5,QUIT:5,KILL:0`: the signals to send, one after the
other, and the seconds that each may take. The pid of the command is the one line written to standard output; what the
command writes goes to this process's standard error. A line on standard input names a signal to pass on, like `KILL`.
The end of standard input, however it came, and SIGTERM stop the command. The exit status is the command's own.

A separate process, because nothing inside the owner can act after a SIGKILL; a script of the standard library alone,
because it starts with every database and must cost next to nothing.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    stages = [(signal.Signals[f"SIG{name}"], float(seconds)) for name, seconds in _pairs(arguments[0])]
    wakeups = _wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    child = subprocess.Popen(
        arguments[1:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        stderr=sys.stderr.fileno(),
        close_fds=False,  # A lock that the owner handed down must live as long as the command does.
        preexec_fn=_die_with_parent(),  # noqa: PLW1509 - this process has one thread
    )
    with contextlib.suppress(BrokenPipeError):  # The owner may be gone already; standard input tells it below.
        os.write(1, f"{child.pid}\n".encode())
    os.close(1)
    _obey(child, wakeups)
    for number, seconds in stages:
        if child.poll() is None:
            child.send_signal(number)
            _wait(child, wakeups, seconds=seconds)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _pairs(stages: str) -> Iterator[list[str]]:
    return (stage.split(":") for stage in stages.split(","))


def _wake_on(*numbers: int) -> int:
    """A file descriptor that can be read whenever one of the signals came; its bytes are the signals' numbers."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return readable


def _die_with_parent() -> Callable[[], None] | None:
    """Covers a SIGKILL of the guardian itself, where the platform can: on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    libc, guardian = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != guardian:  # The guardian died before the line above.
            os._exit(1)

    return prepare


def _obey(child: "subprocess.Popen[bytes]", wakeups: int) -> None:
    """Returns when the command ended or is to be stopped."""
    orders = b""
    while child.poll() is None:
        readable, _, _ = select.select([0, wakeups], [], [])
        if wakeups in readable and os.read(wakeups, 1)[0] != signal.SIGCHLD:
            return
        if 0 in readable:
            received = os.read(0, 1024)
            if not received:
                return
            *lines, orders = (orders + received).split(b"\n")
            for line in lines:
                child.send_signal(signal.Signals[f"SIG{line.decode()}"])


def _wait(child: "subprocess.Popen[bytes]", wakeups: int, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while child.poll() is None and (left := deadline - time.monotonic()) > 0:
        if select.select([wakeups], [], [], left)[0]:
            os.read(wakeups, 1024)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
