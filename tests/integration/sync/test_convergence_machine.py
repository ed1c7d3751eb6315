"""Any interleaving of PUTs, faults, crashes and status changes ends with Kota equal to the desired state."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.databases import NewDatabase
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, sync_world

T = TypeVar("T")

EMPLOYEES = st.sampled_from(["e1", "e2", "e3"])
NAMES = st.sampled_from(["Ada", "Bea", "Cleo"])
FAULTS = st.sampled_from(
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "garbage"},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 409},
        {"kind": "status", "status": 429, "retry_after": 0.05},
    ]
)


def machine(new_database: NewDatabase) -> type[RuleBasedStateMachine]:
    """The state machine over databases from `new_database`."""

    class Convergence(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.loop = asyncio.new_event_loop()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()
            self.resources = AsyncExitStack()
            self.wanted: dict[str, str] = {}
            self.world: SyncWorld

        def run(self, work: Coroutine[Any, Any, T]) -> T:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

        @initialize()
        def begin(self) -> None:
            self.world = self.run(self.resources.enter_async_context(sync_world(new_database(), sync_wait=0)))
            self.run(self.world.call("PUT", "employers/acme", employer_record()))

        @rule(ref=EMPLOYEES, name=NAMES)
        def put(self, ref: str, name: str) -> None:
            answer = self.run(self.world.call("PUT", f"employees/{ref}", employee_record("acme", first_name=name)))
            assert answer.status_code in {200, 201, 202}, answer.text
            self.wanted[ref] = name

        @rule(fault=FAULTS, method=st.sampled_from(["POST", "PUT", "GET"]))
        def break_one_call(self, fault: dict[str, Any], method: str) -> None:
            self.run(self.world.sandbox.control("POST", "faults", {"method": method, "path": "*", "times": 1, **fault}))

        @rule()
        def crash(self) -> None:
            self.run(self.world.crash_worker())
            self.run(self._start())

        @rule()
        def wait(self) -> None:
            self.run(asyncio.sleep(0.05))

        @rule(status=st.sampled_from(["active", "restricted", "pending"]))
        def change_a_status(self, status: str) -> None:
            for found in self.run(self.world.at_kota("employee"))[:1]:
                self.run(self.world.sandbox.control("POST", "advance", {"id": found["id"], "status": status}))

        @invariant()
        def nobody_stands_twice_at_kota(self) -> None:
            if hasattr(self, "world"):
                refs = [found["metadata"]["id"] for found in self.run(self.world.at_kota("employee"))]
                assert len(refs) == len(set(refs))

        def teardown(self) -> None:
            try:
                if hasattr(self, "world"):
                    self.run(self._ends_as_wanted())
            finally:
                self.run(self.resources.aclose())
                self.loop.call_soon_threadsafe(self.loop.stop)
                self.thread.join()
                self.loop.close()

        async def _start(self) -> None:
            self.world.start_worker()

        async def _ends_as_wanted(self) -> None:
            await self.world.sandbox.control("DELETE", "faults")
            for ref in self.wanted:
                await self.world.until(f"employees/{ref}", state="synced")
            found = {item["metadata"]["id"]: item["first_name"] for item in await self.world.at_kota("employee")}
            assert found == self.wanted

    return Convergence


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_every_interleaving_converges(new_database: NewDatabase) -> None:
    run_state_machine_as_test(
        machine(new_database),
        settings=settings(
            max_examples=6,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
