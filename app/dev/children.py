"""The processes of a development stack: started one by one, watched together, stopped together."""

import contextlib
import os
import signal
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.dev.guarded import GuardedProcess

STOP = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 0.0))
REVIVALS, PER_SECONDS = 5, 60.0
"""How often a process is started again, and within how long."""
Say = Callable[[str, str], None]
"""Shows a line of the process that is named first."""


class ChildEnded(Exception):
    """A process of the stack ended although nobody asked it to."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"The {name} ended unexpectedly with status {status}.")


class NotReady(Exception):
    """A process of the stack runs, but does not answer."""


class Children:
    """Commands of `kota-bff` as child processes that end with this one, however it ends."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._running: dict[str, GuardedProcess] = {}
        self._commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}
        self._revivals: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REVIVALS))
        self._readers: list[threading.Thread] = []

    def start(self, name: str, arguments: Sequence[str], *, env: Mapping[str, str]) -> None:
        self._commands[name] = arguments, env
        output, write_output = os.pipe()
        try:
            # Lines are shown when they are written, not when a buffer is full.
            environment = os.environ | {"PYTHONUNBUFFERED": "1", **env}
            self._running[name] = GuardedProcess(
                [kota_bff(), *arguments], stop_with=STOP, output=write_output, env=environment
            )
        finally:
            os.close(write_output)
        reader = threading.Thread(target=self._show, args=(name, output), daemon=True)
        reader.start()
        self._readers.append(reader)

    def check(self) -> None:
        """Raises ChildEnded."""
        for name, process in self._running.items():
            if (status := process.poll()) is not None:
                raise ChildEnded(name, status)

    def revive(self) -> None:
        """Starts again what ended, as a container's restart policy does; raises ChildEnded for what keeps ending."""
        for name, process in tuple(self._running.items()):
            if (status := process.poll()) is None:
                continue
            revivals = self._revivals[name]
            if len(revivals) == REVIVALS and time.monotonic() - revivals[0] < PER_SECONDS:
                raise ChildEnded(name, status)
            revivals.append(time.monotonic())
            self._say(name, f"ended unexpectedly with status {status}; it is started again")
            arguments, env = self._commands[name]
            self.start(name, arguments, env=env)

    def wait_for(self, name: str, url: str, *, seconds: float = 60) -> None:
        """Returns when `url` answers 2xx. Raises ChildEnded, NotReady."""
        deadline = time.monotonic() + seconds
        while not answers(url):
            self.check()
            if time.monotonic() > deadline:
                raise NotReady(f"The {name} was not ready after {seconds:.0f} s: {url}")
            time.sleep(0.05)

    def stop(self, *names: str) -> None:
        """All of them at once; all there are if none is named."""
        stopping = [self._running.pop(name) for name in names or tuple(self._running) if name in self._running]
        for process in stopping:
            process.ask_to_stop()
        for process in stopping:
            process.stop()
        if not self._running:
            for reader in self._readers:
                reader.join(5)

    def _show(self, name: str, output: int) -> None:
        with os.fdopen(output, errors="replace") as lines:
            for line in lines:
                self._say(name, line.rstrip("\n"))


def kota_bff() -> str:
    """The command of the installation that is running, whatever PATH says."""
    return str(Path(sysconfig.get_path("scripts")) / "kota-bff")


def answers(url: str) -> bool:
    # Proxies of the environment have no business with 127.0.0.1.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError, urllib.error.URLError), opener.open(url, timeout=5) as response:
        return bool(200 <= response.status < 300)
    return False
