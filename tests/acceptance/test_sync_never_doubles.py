"""Creates whose idempotency key has lost its power: the hour is over, the API key changed, the database is older."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.records import employee_record, employer_record
from tests.support.stack import API_KEY, COMMAND, Process, Stack

pytestmark = pytest.mark.acceptance

OTHER_KEY = "pk_test_another_made_up_one"
EMPLOYEES = 12


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(
        tmp_path / "stack",
        workers=2,
        settings={"LOOK_UP_AFTER": "3", "IDEMPOTENCY_WINDOW": "1", "SYNC_WAIT": "0"},
        sandbox={"SANDBOX_API_KEYS": f"{API_KEY},{OTHER_KEY}"},
    ) as made:
        yield made


async def test_clock_past_the_keys_hour_between_the_attempts(stack: Stack) -> None:
    await _employer(stack)
    _fault(stack, "drop_after", times=EMPLOYEES // 2)
    _fault(stack, "drop_before", times=EMPLOYEES // 2)
    await _put(stack, range(EMPLOYEES))
    _until(lambda: len(stack.control("GET", "requests?method=POST&path=/employees")) >= EMPLOYEES)
    for worker in stack.workers:
        worker.kill()
    # Our window is a second here, and Kota's is an hour: both pass while nobody works.
    await asyncio.sleep(1.1)
    stack.control("POST", "advance", {"clock_seconds": 3700})
    _start_with(stack, stack.workers)
    await _converged(stack, range(EMPLOYEES))


async def test_api_key_changed_between_the_attempts(stack: Stack) -> None:
    await _employer(stack)
    _fault(stack, "drop_after", times=EMPLOYEES // 2)
    _fault(stack, "drop_before", times=EMPLOYEES // 2)
    await _put(stack, range(EMPLOYEES))
    _until(lambda: len(stack.control("GET", "requests?method=POST&path=/employees")) >= EMPLOYEES // 2)
    for worker in stack.workers:
        worker.kill()
    _start_with(stack, stack.workers, KOTA_API_KEY=OTHER_KEY)
    await _converged(stack, range(EMPLOYEES))


async def test_database_restored_from_a_backup_before_half_of_the_creates(stack: Stack) -> None:
    await _employer(stack)
    await _put(stack, range(EMPLOYEES // 2))
    await _converged(stack, range(EMPLOYEES // 2))
    _stop_all(stack)
    name = stack.postgres.url.rpartition("/")[2].partition("?")[0]
    backup = stack.postgres.create_database("backup", template=name)
    _start_with(stack, [*stack.apis, *stack.workers])
    stack.wait_ready()
    await _put(stack, range(EMPLOYEES))
    await _converged(stack, range(EMPLOYEES))
    _stop_all(stack)
    _start_with(stack, [*stack.apis, *stack.workers], DATABASE_URL=backup, RESTORED="true")
    stack.wait_ready()
    await _put(stack, range(EMPLOYEES))
    await asyncio.sleep(2)
    assert len(stack.control("GET", "state?kind=employee")["employee"]) == EMPLOYEES
    audit = await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, "sync", "audit", "--repair"],
        env=stack.workers[0].env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr
    await _converged(stack, range(EMPLOYEES))


def _stop_all(stack: Stack) -> None:
    for process in (*stack.workers, *stack.apis):
        process.stop()


def _start_with(stack: Stack, processes: list[Process], **changes: str) -> None:
    assert processes, stack.folder
    for process in processes:
        process.env = {**process.env, **changes}
        process.start()


def _fault(stack: Stack, kind: str, *, times: int) -> None:
    stack.control("POST", "faults", {"method": "POST", "path": "/employees", "kind": kind, "times": times})


async def _employer(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers) as http:
        await http.put("/internal/employers/acme", json=employer_record())
    _until(lambda: len(stack.control("GET", "state?kind=employer")["employer"]) == 1)


async def _put(stack: Stack, numbers: range) -> None:
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers) as http:
        for number in numbers:
            answer = await http.put(f"/internal/employees/e{number}", json=employee_record("acme"))
            assert answer.status_code in {200, 202}, answer.text


async def _converged(stack: Stack, numbers: range) -> None:
    """Everybody is synced, and stands at Kota exactly once."""
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers) as http:
        deadline = time.monotonic() + 90
        waiting: list[Any] = [None]
        while waiting:
            answer = await http.get("/internal/employees?limit=200")
            waiting = [item for item in answer.json()["items"] if item["sync"]["state"] != "synced"]
            assert time.monotonic() < deadline, waiting
            await asyncio.sleep(0.2)
    found = Counter(item["metadata"]["id"] for item in stack.control("GET", "state?kind=employee")["employee"])
    assert found == {f"e{number}": 1 for number in numbers}


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
