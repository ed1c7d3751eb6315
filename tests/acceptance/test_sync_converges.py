"""Whatever happens: exactly one employer and one employee per reference at Kota, with the fields of the last PUT.

`ACCEPTANCE_ROUNDS` says how often; a few suffice beside every change, `make soak` takes hundreds.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.kills import STEPS, steps_hit
from tests.support.records import employee_record, employer_record
from tests.support.stack import Process, Stack

pytestmark = pytest.mark.acceptance

ROUNDS = int(os.environ.get("ACCEPTANCE_ROUNDS", "3"))
EMPLOYERS, EMPLOYEES = 4, 40
KILLS = 10
SETTLES_WITHIN = 120.0
FAULTS: list[dict[str, Any]] = [
    {"kind": "drop_before", "probability": 0.1},
    {"kind": "drop_after", "probability": 0.15},
    {"kind": "status", "status": 429, "retry_after": 0.3, "probability": 0.03},
    {"kind": "status", "status": 500, "probability": 0.1},
    {"kind": "garbage", "probability": 0.05},
    {"kind": "delay", "delay_ms": 250, "probability": 0.5},
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Text comes back as it was sent, so that it can be compared; in all else the sandbox is as unkind as it can be.
    with Stack(
        tmp_path_factory.mktemp("sync"),
        apis=2,
        workers=2,
        settings={"LOG_LEVEL": "debug", "LOOK_UP_AFTER": "3", "SYNC_WAIT": "1"},
        sandbox={"SANDBOX_NORMALISE": "false"},
    ) as made:
        yield made


# One test and not one a round: a step may be missed in a round, but not in all of them.
async def test_rounds_of_kills_and_faults_end_with_the_desired_state(stack: Stack) -> None:
    hits: Counter[str] = Counter()
    for number in range(ROUNDS):
        await _round(stack, f"r{number}", random.Random(number), hits)  # noqa: S311 - reproducible, not secret
    assert {step: hits[step] for step in STEPS.values() if not hits[step]} == {}


async def _round(stack: Stack, name: str, rng: random.Random, hits: Counter[str]) -> None:
    for fault in FAULTS:
        await asyncio.to_thread(stack.control, "POST", "faults", {"method": "*", "path": "*", **fault})
    killing = asyncio.create_task(_kill(stack, rng, hits))
    try:
        wanted = await _put_all(stack, name, rng)
    finally:
        await killing
        await asyncio.to_thread(stack.control, "DELETE", "faults")
    await _until_settled(stack, name)
    state = await asyncio.to_thread(stack.control, "GET", "state")
    requests = await asyncio.to_thread(stack.control, "GET", "requests?method=POST")
    for kind in ("employer", "employee"):
        expected = {ref: record for (of, ref), record in wanted.items() if of == kind}
        _compare(kind, expected, [item for item in state[kind] if item["metadata"].get("id") in expected])
        _compare_keys(f"/{kind}s", set(expected), requests)


async def _kill(stack: Stack, rng: random.Random, hits: Counter[str]) -> None:
    """SIGKILL one process after the other at random moments, and start it again.

    Every other one is killed as soon as it says that it is in a certain step: some steps last a few milliseconds.
    """
    for number in range(KILLS):
        await asyncio.sleep(rng.uniform(0.1, 0.9))
        process: Process = rng.choice([*stack.workers, *stack.workers, *stack.apis])
        if number % 2 and process in stack.workers:
            await asyncio.to_thread(_wait_for_step, stack, process, rng.choice(sorted(STEPS)))
        await asyncio.to_thread(process.kill)
        hits.update(steps_hit(_last_log(stack, process).read_text(errors="replace")))
        await asyncio.to_thread(process.start)
    await asyncio.to_thread(stack.wait_ready)


def _wait_for_step(stack: Stack, process: Process, event: str, seconds: float = 1.5) -> None:
    """Until the process says that it is in this step, or for a while."""
    deadline = time.monotonic() + seconds
    with _last_log(stack, process).open("rb") as log:
        log.seek(0, os.SEEK_END)
        while time.monotonic() < deadline:
            if event.encode() in log.read():
                return
            time.sleep(0.001)


def _last_log(stack: Stack, process: Process) -> Path:
    logs = stack.folder.glob(f"{process.name}.*.log")
    return max(logs, key=lambda path: int(path.name.split(".")[-2]))


async def _put_all(stack: Stack, name: str, rng: random.Random) -> dict[tuple[str, str], dict[str, Any]]:
    """PUT everything at once, some of it twice; returns the last accepted record by kind and reference."""
    wanted: dict[tuple[str, str], dict[str, Any]] = {}
    async with httpx.AsyncClient(headers=stack.service_headers, timeout=15) as http:

        async def put(kind: str, ref: str, *records: dict[str, Any]) -> None:
            for record in records:
                await _put(http, stack, f"{kind}s/{ref}", record, rng)
                wanted[kind, ref] = record

        for number in range(EMPLOYERS):
            await put("employer", f"{name}-acme{number}", employer_record(legal_name=f"Acme {name} {number}"))
        async with asyncio.TaskGroup() as group:
            for number in range(EMPLOYEES):
                of = f"{name}-acme{number % EMPLOYERS}"
                records = [employee_record(of, last_name=f"Example {name} {number}")]
                if number % 3 == 0:
                    records.append(employee_record(of, last_name=f"Changed {number}", email="changed@example.com"))
                group.create_task(put("employee", f"{name}-e{number}", *records))
    return wanted


async def _put(http: httpx.AsyncClient, stack: Stack, path: str, record: dict[str, Any], rng: random.Random) -> None:
    """As a host does it: again until it was accepted."""
    deadline = asyncio.get_running_loop().time() + SETTLES_WITHIN
    while True:
        try:
            answer = await http.put(f"{rng.choice(stack.api_urls)}/internal/{path}", json=record)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code in {200, 201, 202}:
            return
        assert answer is None or answer.status_code in {500, 502, 503}, answer.text
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def _until_settled(stack: Stack, name: str) -> None:
    deadline = asyncio.get_running_loop().time() + SETTLES_WITHIN
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=15) as http:
        for kind in ("employers", "employees"):
            left: list[dict[str, Any]] = [{}]
            while left:
                pages = [
                    (await http.get(f"/internal/{kind}?limit=200&sync_state={state}")).json()["items"]
                    for state in ("pending", "rejected")
                ]
                left = [item for page in pages for item in page if item["ref"].startswith(name)]
                assert asyncio.get_running_loop().time() < deadline, left
                await asyncio.sleep(0.1)


def _compare(kind: str, expected: dict[str, dict[str, Any]], found: list[dict[str, Any]]) -> None:
    twice = {ref: count for ref, count in Counter(item["metadata"]["id"] for item in found).items() if count > 1}
    assert twice == {}
    by_ref = {item["metadata"]["id"]: item for item in found}
    assert by_ref.keys() == expected.keys(), kind
    for ref, record in expected.items():
        for field, value in record.items():
            if field == "employer_ref":
                continue
            assert _part(by_ref[ref][field], value) == value, f"{ref} {field}"


def _part(found: Any, wanted: Any) -> Any:
    """Of an object only the members that were sent: Kota shows the others as null."""
    return {name: found.get(name) for name in wanted} if isinstance(wanted, dict) else found


def _compare_keys(path: str, refs: set[str], requests: list[dict[str, Any]]) -> None:
    """No second create: whatever succeeded for one reference went under one idempotency key."""
    keys: dict[str, set[str]] = {}
    for request in requests:
        body = request["body"] if isinstance(request["body"], dict) else json.loads(request["body"] or "{}")
        ref = body.get("metadata", {}).get("id")
        if request["path"] == path and request["status"] == httpx.codes.OK and ref in refs:
            keys.setdefault(ref, set()).add(request["headers"]["idempotency-key"])
    assert {ref: found for ref, found in keys.items() if len(found) > 1} == {}
