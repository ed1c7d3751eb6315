"""Whatever happens: exactly one employer and one employee per reference at Kota, with the fields of the last PUT.

A round kills processes and breaks calls while a host sends records and changes them; then everything is compared.
`ACCEPTANCE_ROUNDS` says how many: a few suffice beside every change, `make soak` takes hundreds. They are the same
rounds every time, numbered from `ACCEPTANCE_FIRST_ROUND`.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.kills import STEPS, steps_hit
from tests.support.kota_holds import held_by_kota, held_fields, untidy
from tests.support.records import employee_record, employer_record
from tests.support.stack import Process, Stack
from tests.support.waiting import until

pytestmark = pytest.mark.acceptance

ROUNDS = int(os.environ.get("ACCEPTANCE_ROUNDS", "3"))
FIRST = int(os.environ.get("ACCEPTANCE_FIRST_ROUND", "0"))
EMPLOYERS, EMPLOYEES = 4, 40
KILLS = 10
CHANGES_FOR = 5.0
"""Seconds over which a round's PUTs are spread."""
SETTLES_WITHIN = 120.0
FAULTS: list[dict[str, Any]] = [
    {"kind": "drop_before", "probability": 0.1},
    {"kind": "drop_after", "probability": 0.15},
    {"kind": "status", "status": 429, "retry_after": 0.3, "probability": 0.03},
    {"kind": "status", "status": 500, "probability": 0.1},
    {"kind": "garbage", "probability": 0.05},
    {"kind": "delay", "delay_ms": 250, "probability": 0.5},
]
Wanted = dict[tuple[str, str], dict[str, Any]]
"""The last accepted record, by kind and reference."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # The sandbox is as unkind as it can be.
    with Stack(
        tmp_path_factory.mktemp("sync"),
        apis=2,
        workers=2,
        settings={"LOG_LEVEL": "debug", "LOOK_UP_AFTER": "3", "SYNC_WAIT": "1", "RECONCILE_EVERY": "2"},
        sandbox={"SANDBOX_RETRY_SCALE": "0.0001"},
        forked=True,
    ) as made:
        yield made


# One test and not one a round: a step may be missed in a round, but not in all of them.
async def test_rounds_of_kills_and_faults_end_with_the_desired_state(stack: Stack) -> None:
    hits: Counter[str] = Counter()
    for number in range(FIRST, FIRST + ROUNDS):
        started = time.monotonic()
        await _round(stack, f"r{number}", random.Random(number), hits)  # noqa: S311 - reproducible, not secret
        print(f"round {number}: {time.monotonic() - started:.1f} s; steps hit so far: {dict(hits)}")
    assert {step: hits[step] for step in STEPS.values() if not hits[step]} == {}


async def _round(stack: Stack, name: str, rng: random.Random, hits: Counter[str]) -> None:
    # What stands there of earlier rounds would make every look longer, and say nothing of this one.
    await _control(stack, "POST", "reset")
    for fault in FAULTS:
        await _control(stack, "POST", "faults", {"method": "*", "path": "*", **fault})
    since = datetime.now(UTC) - timedelta(seconds=1)
    async with httpx.AsyncClient(headers=stack.service_headers, timeout=15) as http:
        killing = asyncio.create_task(_kill(stack, rng, hits))
        try:
            wanted = await _put_all(http, stack, name, rng)
        finally:
            await killing
            await _control(stack, "DELETE", "faults")
        rows = await _settled(http, stack, name, since)
        state = await _control(stack, "GET", "state")
        _compare(wanted, rows, state)
        creates = [call for call in await _writes(stack) if call["method"] == "POST"]
        for kind in ("employer", "employee"):
            _compare_keys(f"/{kind}s", {ref for of, ref in wanted if of == kind}, creates)
        await _nothing_is_left_to_send(http, stack, wanted)


async def _kill(stack: Stack, rng: random.Random, hits: Counter[str]) -> None:
    """SIGKILL one process after the other at random moments, and start it again.

    Every other one is killed as soon as it says that it is in a certain step: some steps last a few milliseconds.
    """
    for number in range(KILLS):
        await asyncio.sleep(rng.uniform(0.05, 0.6))
        process: Process = rng.choice([*stack.workers, *stack.workers, *stack.apis])
        if number % 2:
            step = rng.choice(sorted(STEPS))
            process = rng.choice(stack.apis if STEPS[step] == "stored" else stack.workers)
            await asyncio.to_thread(_wait_for_step, stack, process, step)
        await asyncio.to_thread(process.kill)
        hits.update(steps_hit(_last_log(stack, process).read_text(errors="replace")))
        await asyncio.to_thread(process.start)
    await asyncio.to_thread(stack.wait_ready)


def _wait_for_step(stack: Stack, process: Process, event: str, seconds: float = 1.0) -> None:
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


async def _put_all(http: httpx.AsyncClient, stack: Stack, name: str, rng: random.Random) -> Wanted:
    """PUT everything, and all of it again in other words, as long as processes are being killed."""
    wanted: Wanted = {}

    async def put(kind: str, ref: str, of: str = "") -> None:
        record = untidy(_employee(of, rng) if of else _employer(rng), rng)
        await _put(http, stack, f"{kind}s/{ref}", record, rng)
        wanted[kind, ref] = record

    async def keep_putting(kind: str, ref: str, of: str = "") -> None:
        for pause in sorted(rng.uniform(0, CHANGES_FOR) for _ in range(rng.randint(1, 3))):
            await asyncio.sleep(started + pause - asyncio.get_running_loop().time())
            await put(kind, ref, of)

    acmes = [f"{name}-acme{number}" for number in range(EMPLOYERS)]
    # Employees of an employer that was never sent are refused.
    await asyncio.gather(*(put("employer", acme) for acme in acmes))
    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        for acme in acmes:
            group.create_task(keep_putting("employer", acme))
        for number in range(EMPLOYEES):
            group.create_task(keep_putting("employee", f"{name}-e{number}", acmes[number % EMPLOYERS]))
    return wanted


def _employer(rng: random.Random) -> dict[str, Any]:
    record = employer_record(legal_name=f"Ácme Trading {rng.randint(1, 9)} Ltd", metadata=_metadata(rng))
    return record | {"legal_address": _address(record["legal_address"], rng)}


def _employee(employer_ref: str, rng: random.Random) -> dict[str, Any]:
    record = employee_record(
        employer_ref,
        last_name=f"Ó Example {rng.randint(1, 9)}",
        phone_number=f"+353 (85) 000-000{rng.randint(0, 9)}",
        metadata=_metadata(rng),
    )
    return record | {"home_address": _address(record["home_address"], rng)}


def _address(address: dict[str, str], rng: random.Random) -> dict[str, str]:
    """With or without a second line: Kota replaces addresses whole."""
    return address | ({"line2": f"Flat {rng.randint(1, 9)} Upper Floor"} if rng.random() < 0.5 else {})


def _metadata(rng: random.Random) -> dict[str, str]:
    return {key: f" Value  {rng.randint(1, 9)}" for key in ("team", "cost_centre") if rng.random() < 0.5}


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


async def _settled(http: httpx.AsyncClient, stack: Stack, name: str, since: datetime) -> Wanted:
    """What the host is told of each record, once all are synced and their status is what Kota's is."""
    deadline = asyncio.get_running_loop().time() + SETTLES_WITHIN
    while True:
        rows: Wanted = {}
        for kind in ("employer", "employee"):
            params = {"limit": "200", "updated_since": since.isoformat()}
            answer = await http.get(f"{stack.api_urls[0]}/internal/{kind}s", params=params)
            items = answer.json()["items"]
            rows |= {(kind, item["ref"]): item for item in items if item["ref"].startswith(f"{name}-")}
        state = await _control(stack, "GET", "state")
        statuses = {item["id"]: item["status"] for kind in ("employer", "employee") for item in state.get(kind, [])}
        left = [
            row
            for row in rows.values()
            if row["sync"]["state"] != "synced" or row["kota_status"] != statuses.get(row["kota_id"], "none")
        ]
        if not left:
            return rows
        assert asyncio.get_running_loop().time() < deadline, left
        await asyncio.sleep(0.1)


def _compare(wanted: Wanted, rows: Wanted, state: dict[str, list[dict[str, Any]]]) -> None:
    """Kota has one record for each that was sent, and no other; every field is what was sent last, in Kota's form."""
    assert rows.keys() == wanted.keys()
    found = {kind: [item["metadata"]["id"] for item in state[kind]] for kind in ("employer", "employee")}
    assert {(kind, ref): count for kind in found for ref, count in Counter(found[kind]).items() if count > 1} == {}
    at_kota = {(kind, item["metadata"]["id"]): item for kind in found for item in state[kind]}
    assert at_kota.keys() == wanted.keys()
    for (kind, ref), record in wanted.items():
        body = at_kota[kind, ref]
        employer = at_kota["employer", record["employer_ref"]]["id"] if kind == "employee" else None
        assert rows[kind, ref]["kota_id"] == body["id"]
        assert held_fields(body) == held_by_kota(record, ref=ref, employer_id=employer), ref


def _compare_keys(path: str, refs: set[str], creates: list[dict[str, Any]]) -> None:
    """No second create: whatever succeeded for one reference went under one idempotency key."""
    keys: dict[str, set[str]] = {}
    for request in creates:
        body = request["body"] if isinstance(request["body"], dict) else json.loads(request["body"] or "{}")
        ref = body.get("metadata", {}).get("id")
        if request["path"] == path and request["status"] == httpx.codes.OK and ref in refs:
            keys.setdefault(ref, set()).add(request["headers"]["idempotency-key"])
    assert {ref: found for ref, found in keys.items() if len(found) > 1} == {}


async def _nothing_is_left_to_send(http: httpx.AsyncClient, stack: Stack, wanted: Wanted) -> None:
    """The same records once more are unchanged, although Kota shows others; nothing is sent then or later."""
    before = len(await _writes(stack))

    async def again(kind: str, ref: str, record: dict[str, Any]) -> None:
        answer = await http.put(f"{stack.api_urls[0]}/internal/{kind}s/{ref}", json=record)
        assert (answer.status_code, answer.json()["changed"]) == (200, False), answer.text

    async def told_of_everything() -> bool:
        return bool((await _control(stack, "GET", "deliveries"))["pending"] == 0)

    await asyncio.gather(*(again(kind, ref, record) for (kind, ref), record in wanted.items()))
    await until(told_of_everything)
    assert len(await _writes(stack)) == before


async def _writes(stack: Stack) -> list[dict[str, Any]]:
    """Every call that Kota got to create or to change something, in this round."""
    return [call for method in ("POST", "PUT") for call in await _control(stack, "GET", f"requests?method={method}")]


async def _control(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    return await asyncio.to_thread(stack.control, method, path, body)
