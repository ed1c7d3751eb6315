"""Our own commands as forks of one process that has imported everything.

A start costs milliseconds instead of two seconds of CPU, so that a test can afford thousands of them. From the fork on
it is the command that anybody starts: a process, an environment and a log of its own, and SIGKILL ends it as it does
any other.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

PATIENCE = 20.0
"""Seconds that a process may take to end after a SIGTERM."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["app.cli", "app.main", "app.worker", "uvicorn", "tests.support.forked"])


class ForkedCommand:
    """`kota-bff` with these arguments. It ends when this process does, however that ends."""

    def __init__(self, arguments: Sequence[str], *, output: IO[bytes], env: Mapping[str, str]) -> None:
        self._process = _forks.Process(target=_run, args=(tuple(arguments), output.name, dict(env)), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status, 128 + n after signal n; None while it runs."""
        code = self._process.exitcode
        return code if code is None or code >= 0 else 128 - code

    def stop(self) -> int:
        """SIGTERM, and SIGKILL if that does not end it."""
        self._process.terminate()
        self._process.join(PATIENCE)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL, then wait for its end."""
        self._process.kill()
        self._process.join(PATIENCE)
        code = self.poll()
        assert code is not None, "it survived SIGKILL"
        return code


def _run(arguments: Sequence[str], log: str, env: Mapping[str, str]) -> None:
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    os.setsid()  # Ctrl-C in a terminal is for the tests, which then stop everything in order.
    os.environ.clear()
    os.environ.update(env)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    sys.argv = ["kota-bff", *arguments]
    from app.cli import main  # noqa: PLC0415 - the tests themselves need nothing of it

    main()


def _end_with_the_tests() -> None:
    tests = multiprocessing.parent_process()
    assert tests is not None
    tests.join()
    os.kill(os.getpid(), signal.SIGKILL)
