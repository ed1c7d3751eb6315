"""Any interleaving of PUTs, faults, crashes and changes at Kota ends with Kota equal to the desired state.

`CONVERGENCE_EXAMPLES` says how many interleavings are tried: some few beside every change, always the same; `make soak`
tries hundreds. `CONVERGENCE_SEED` picks others.
"""

import asyncio
import os
import random
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.databases import NewDatabase
from tests.integration.sync.machine_world import EMPLOYER_OF, MachineWorld
from tests.support.records import employee_record, employer_record

T = TypeVar("T")

EXAMPLES = int(os.environ.get("CONVERGENCE_EXAMPLES", "6"))
SEED = os.environ.get("CONVERGENCE_SEED")
EMPLOYEES = st.sampled_from([f"employees/{ref}" for ref in EMPLOYER_OF])
EMPLOYERS = st.sampled_from(["employers/acme", "employers/beta"])
PATHS = EMPLOYEES | EMPLOYERS
FAULTS = st.sampled_from(
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "garbage"},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "retry_after": 0.1},
        {"kind": "status", "status": 409},
        {"kind": "status", "status": 429, "retry_after": 0.05},
        {"kind": "delay", "delay_ms": 200},
        # Longer than we wait: it has happened, and nobody hears of it.
        {"kind": "delay", "delay_ms": 1300},
    ]
)
METADATA = st.dictionaries(st.sampled_from(["team", "cost/centre"]), st.sampled_from(["a", " B  c"]))
LINE2 = st.sampled_from([{}, {"line2": "Upper Floor"}, {"line2": "Éxample House"}])
EMPLOYER = st.builds(
    lambda name, line2, metadata: {
        "legal_name": name,
        "legal_address": employer_record()["legal_address"] | line2,
        "metadata": metadata,
    },
    st.sampled_from(["Acme Ltd", "Ácme  Holding"]),
    LINE2,
    METADATA,
)
EMPLOYEE = st.builds(
    lambda name, line2, metadata: {
        "first_name": name,
        "home_address": employee_record("")["home_address"] | line2,
        "metadata": metadata,
    },
    st.sampled_from(["Ada", "Béa", "Cleo"]),
    LINE2,
    METADATA,
)
# Of what Kota cannot clear, or cannot change.
DELICATE = st.sampled_from([{"nationality": None}, {"bank_account": None}, {"date_of_birth": "1991-05-02"}])
HOW_TEXT_IS_WRITTEN = st.integers(0, 99)


def machine(new_database: NewDatabase) -> type[RuleBasedStateMachine]:
    """The state machine over databases from `new_database`."""

    class Convergence(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.loop = asyncio.new_event_loop()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()
            self.all = MachineWorld()
            self.opened = False

        def run(self, work: Coroutine[Any, Any, T]) -> T:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=240)

        @initialize(employer=EMPLOYER, written=HOW_TEXT_IS_WRITTEN)
        def begin(self, employer: dict[str, Any], written: int) -> None:
            self.opened = True
            self.run(self.all.open(new_database()))
            self.put("employers/acme", employer, written)

        def put(self, path: str, changes: dict[str, Any], written: int) -> None:
            # Reproducible, not secret.
            self.run(self.all.put(path, changes, random.Random(written)))  # noqa: S311

        @rule(path=EMPLOYEES, changes=EMPLOYEE, written=HOW_TEXT_IS_WRITTEN)
        def put_employee(self, path: str, changes: dict[str, Any], written: int) -> None:
            self.put(path, changes, written)

        @rule(path=EMPLOYEES, changes=EMPLOYEE, delicate=DELICATE, written=HOW_TEXT_IS_WRITTEN)
        def put_what_may_be_refused(
            self, path: str, changes: dict[str, Any], delicate: dict[str, Any], written: int
        ) -> None:
            self.put(path, changes | delicate, written)

        @rule(path=EMPLOYERS, changes=EMPLOYER, written=HOW_TEXT_IS_WRITTEN)
        def put_employer(self, path: str, changes: dict[str, Any], written: int) -> None:
            self.put(path, changes, written)

        @rule(path=PATHS)
        def put_again(self, path: str) -> None:
            self.run(self.all.put_again(path))

        @rule(path=PATHS)
        def withdraw(self, path: str) -> None:
            self.run(self.all.withdraw(path))

        @rule(path=EMPLOYEES)
        def offboard(self, path: str) -> None:
            self.run(self.all.offboard(path))

        @rule(path=EMPLOYEES)
        def leave_at_kota(self, path: str) -> None:
            self.run(self.all.leave_at_kota(path))

        @rule(fault=FAULTS, method=st.sampled_from(["POST", "PUT", "GET"]), times=st.integers(1, 3))
        def break_calls(self, fault: dict[str, Any], method: str, times: int) -> None:
            self.run(self.all.world.fault(method, "*", times=times, **fault))

        @rule(after=st.sampled_from([0.0, 0.005, 0.02, 0.1]))
        def crash(self, after: float) -> None:
            self.run(self._crash(after))

        async def _crash(self, after: float) -> None:
            await asyncio.sleep(after)
            await self.all.world.crash_worker()
            self.all.world.start_worker()

        @rule(method=st.sampled_from(["POST", "PUT", "GET"]))
        def crash_during_a_call(self, method: str) -> None:
            """In a look: leased, and nothing sent. In a create or an update: sent, and not answered."""
            self.run(self.all.world.fault(method, "*", "delay", delay_ms=200, times=1))
            self.run(self._crash(0.1))

        @rule(other_key=st.booleans())
        def restart(self, other_key: bool) -> None:
            self.run(self.all.restart(other_key=other_key))

        @rule()
        def refuse_key(self) -> None:
            self.run(self.all.refuse_key())

        @rule()
        def take_keys(self) -> None:
            self.run(self.all.take_keys())

        @rule()
        def let_an_hour_pass(self) -> None:
            self.run(self.all.let_an_hour_pass())

        @rule(seconds=st.sampled_from([0.05, 0.4]))
        def wait(self, seconds: float) -> None:
            self.run(asyncio.sleep(seconds))

        @rule(number=st.integers(0, 2), status=st.sampled_from(["active", "restricted", "pending"]))
        def change_a_status(self, number: int, status: str) -> None:
            self.run(self.all.change_status(number, status))

        @invariant()
        def nobody_stands_twice_at_kota(self) -> None:
            if self.opened:
                self.run(self.all.nobody_stands_twice())

        def teardown(self) -> None:
            try:
                if self.opened:
                    self.run(self.all.ends_as_wanted())
            finally:
                self.run(self.all.close())
                self.loop.call_soon_threadsafe(self.loop.stop)
                self.thread.join()
                self.loop.close()

    return Convergence


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_every_interleaving_converges(new_database: NewDatabase) -> None:
    convergence = machine(new_database)
    run_state_machine_as_test(
        seed(int(SEED))(convergence) if SEED else convergence,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            derandomize=SEED is None,
            database=None,
            # An interleaving depends on the moment, so a smaller one that fails as well is rarely found, and slowly.
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
