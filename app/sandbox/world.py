"""Everything that a running sandbox knows."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from app.sandbox.clock import Clock
from app.sandbox.faults import Faults
from app.sandbox.idempotency import Idempotency
from app.sandbox.journal import Journal
from app.sandbox.lifecycle import Lifecycle
from app.sandbox.noise import Noise
from app.sandbox.problems import invalid
from app.sandbox.requestlog import RequestLog
from app.sandbox.settings import CHANGEABLE, SandboxSettings
from app.sandbox.store import Json, Record, Store
from app.sandbox.webhooks import Deliveries

Step = Callable[["World", Record], None]


@dataclass
class World:
    """`steps` are what happens by itself, by the name under which records wait for it."""

    settings: SandboxSettings
    first_settings: SandboxSettings
    clock: Clock
    journal: Journal
    store: Store
    noise: Noise
    idempotency: Idempotency
    faults: Faults
    deliveries: Deliveries
    steps: Mapping[str, Step]
    api_keys: set[str]
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    started_at: float = field(default_factory=time.time)
    log: RequestLog = field(default_factory=RequestLog)

    @classmethod
    def open(cls, settings: SandboxSettings, *, steps: Mapping[str, Step]) -> Self:
        """The world as its journal left it."""
        clock = Clock()
        journal = Journal(settings.data_dir)
        store = Store(clock, journal, list_lag=settings.list_lag)
        noise = Noise(settings)
        world = cls(
            settings=settings,
            first_settings=settings.model_copy(),
            clock=clock,
            journal=journal,
            store=store,
            noise=noise,
            idempotency=Idempotency(clock, journal),
            faults=Faults(noise),
            deliveries=Deliveries(settings, clock=clock, journal=journal, store=store, noise=noise),
            steps=steps,
            api_keys=set(settings.api_keys),
        )
        for name, *values in journal.replay():
            world._restore(name, values)
        world.deliveries.resume()
        world.lifecycle.watch_all(store)
        return world

    def pass_time(self) -> None:
        """Lets happen what is due by now."""
        self._run_due()
        self.deliveries.release()

    def advance(self, seconds: float) -> None:
        """Moves the clock, stopping wherever something is due, so that each thing happens at its own time."""
        target = self.clock.now() + seconds
        while (due := self.lifecycle.next_due()) is not None and due < target:
            self.clock.advance(due - self.clock.now())
            self._run_due()
        self.clock.advance(target - self.clock.now())
        self.journal.write("clock", self.clock.offset)
        self.pass_time()

    def change_settings(self, changes: Json) -> None:
        """Takes over those that may change. Raises a ValidationError for values that make no sense."""
        known = {name: value for name, value in changes.items() if name in CHANGEABLE}
        if len(known) < len(changes):
            raise invalid({f"$.{name}": ["Cannot be changed."] for name in changes if name not in known})
        changed = type(self.settings)(**{**self.settings.model_dump(), **known})
        for name in known:
            setattr(self.settings, name, getattr(changed, name))

    def reset(self) -> None:
        """Back to how it all began: nothing known, the settings as they were, the clock at the machine's time."""
        self.journal.clear()
        self.store.clear()
        self.idempotency.clear()
        self.faults.clear()
        self.deliveries.clear()
        self.lifecycle.clear()
        self.log.clear()
        self.clock.offset = 0.0
        for name in CHANGEABLE:
            setattr(self.settings, name, getattr(self.first_settings, name))
        self.api_keys = set(self.settings.api_keys)

    def _run_due(self) -> None:
        for name, record in self.lifecycle.take_due(self.clock.now()):
            self.steps[name](self, record)

    def _restore(self, name: str, values: list[Any]) -> None:
        match name:
            case "put":
                self.store.restore(*values)
            case "key":
                self.idempotency.restore(*values)
            case "deliver":
                self.deliveries.restore(*values)
            case "settled":
                self.deliveries.restore_settled(*values)
            case "clock":
                self.clock.offset = values[0]
            case "api_keys":
                self.api_keys = set(values)
            case _:
                raise ValueError(f"The journal has an unknown entry: {name}")
