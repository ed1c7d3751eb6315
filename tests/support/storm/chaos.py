"""SIGKILL for APIs and workers, and restarts of the database, until every step of processing was hit."""

import asyncio
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import asyncpg

from tests.processes import wait_until
from tests.support.stack import Process, Stack
from tests.support.storm.steps import API_STEPS, STEPS, WORKER_STEPS, api_steps, worker_steps

RESTARTS = 2
AIMS_FOR = 3.0
"""Seconds in which a step has to be met; then it is killed wherever it is."""


class Chaos(threading.Thread):
    """Kills one process after the other; `hits` says how often in which step, `done` how often whom.

    Every kill but one in four aims for the step that was hit least: most last a few milliseconds. Kota delivers to one
    API at a time, and to the other while that one is killed, as behind a load balancer.
    """

    def __init__(
        self, stack: Stack, *, progress: Callable[[], float], pause: tuple[float, float], rng: random.Random
    ) -> None:
        super().__init__()
        self._stack = stack
        self._progress = progress
        self._pause = pause
        self._rng = rng
        self._may_end = threading.Event()
        self._error: BaseException | None = None
        self._delivered_to = 0
        self._in_flight: set[str] = set()
        self._cut_off: set[str] = set()
        self.hits: Counter[str] = Counter(dict.fromkeys(STEPS, 0))
        self.done: Counter[str] = Counter()

    @property
    def is_satisfied(self) -> bool:
        """Whether every step was hit, and the database restarted often enough."""
        return self.done["postgres"] >= RESTARTS and all(self.hits[step] for step in STEPS)

    def run(self) -> None:
        try:
            while not self._may_end.wait(self._rng.uniform(*self._pause)):
                self._kill_one()
                if self.done["postgres"] < RESTARTS and self._progress() >= (self.done["postgres"] + 1) / 3:
                    self._stack.postgres.restart()
                    self.done["postgres"] += 1
        except BaseException as error:
            self._error = error
            raise

    def check(self) -> None:
        """Raises what went wrong in it."""
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Wait for its end; raises what went wrong in it."""
        self._may_end.set()
        self.join()
        self.check()

    def _kill_one(self) -> None:
        wanted = min(STEPS, key=lambda step: self.hits[step]) if self._rng.random() < 0.75 else None
        of_api = wanted in API_STEPS if wanted else self._rng.random() < 0.5
        process = self._stack.apis[self._delivered_to] if of_api else self._rng.choice(self._stack.workers)
        # What was never up again does no work, and its death would say nothing.
        wait_until(lambda: self._is_up(process), seconds=120)
        steps = self._freeze(process, wanted, look=self._look_at_api if of_api else self._look_at_worker)
        process.kill()
        print(f"killed {process.name}: {', '.join(sorted(steps)) or 'at rest'}")
        self.hits.update(steps)
        self.done[process.name] += 1
        if of_api:
            self._cut_off |= self._in_flight
            self._delivered_to = 1 - self._delivered_to
            url = f"{self._stack.api_urls[self._delivered_to]}/webhooks/kota"
            self._stack.control("POST", "settings", {"webhook_url": url})
        process.start()

    def _is_up(self, process: Process) -> bool:
        return _last_log(self._stack, process).stat().st_size > 0

    def _freeze(self, process: Process, wanted: str | None, *, look: Callable[[Process], set[str]]) -> set[str]:
        """Stop it where it stands until that is in the wanted step, or for a while; in which steps it is then."""
        deadline = time.monotonic() + AIMS_FOR
        while True:
            if wanted in WORKER_STEPS.values():
                self._await_word(process, wanted, until=deadline)
            else:
                time.sleep(self._rng.uniform(0, 0.05))
            os.kill(process.pid, signal.SIGSTOP)
            steps = look(process)
            if wanted is None or wanted in steps or time.monotonic() > deadline:
                return steps
            os.kill(process.pid, signal.SIGCONT)

    def _look_at_api(self, _process: Process) -> set[str]:
        # What the database was sent it still does.
        time.sleep(0.03)
        in_flight = Counter(self._stack.control("GET", "deliveries")["in_flight"])
        # Of an event that was cut off before, nobody can tell which of its deliveries is on disk.
        in_flight = Counter({id_: number for id_, number in in_flight.items() if id_ not in self._cut_off})
        self._in_flight = set(in_flight)
        if not in_flight:
            return set()
        answered = self._stack.control("GET", f"deliveries/answered?event_id={','.join(in_flight)}")
        return api_steps(in_flight, stored=asyncio.run(self._stored(list(in_flight))), answered=answered)

    def _look_at_worker(self, process: Process) -> set[str]:
        return worker_steps(_last_log(self._stack, process).read_text(errors="replace"))

    async def _stored(self, ids: list[str]) -> dict[str, int]:
        connection = await asyncpg.connect(self._stack.postgres.url.replace("postgresql+asyncpg://", "postgresql://"))
        try:
            rows = await connection.fetch("SELECT id, deliveries FROM kota_events WHERE id = ANY($1)", ids)
            return {row["id"]: row["deliveries"] for row in rows}
        finally:
            await connection.close()

    def _await_word(self, process: Process, step: str | None, *, until: float) -> None:
        """Until the worker says that it is in this step, or for a while."""
        word = next(event for event, named in WORKER_STEPS.items() if named == step).encode()
        with _last_log(self._stack, process).open("rb") as log:
            log.seek(0, os.SEEK_END)
            while time.monotonic() < until:
                if word in log.read():
                    return
                time.sleep(0.001)


def _last_log(stack: Stack, process: Process) -> Path:
    logs = stack.folder.glob(f"{process.name}.*.log")
    return max(logs, key=lambda path: int(path.name.split(".")[-2]))
