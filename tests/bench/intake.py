"""POST /webhooks/kota: distinct signed events of some 900 bytes over 32 connections, beside the naive intake.

Both run as two processes on the same durable PostgreSQL, and take turns. Then a second service takes turns with the
first, one whose table holds BENCH_STORED events.
"""

import asyncio
import json
import os
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop

from app.dev.guarded import GuardedProcess
from app.dev.ports import free_port
from app.kota import SIGNATURE_HEADER, sign
from tests.bench.load import Load, run_load
from tests.bench.result import Result, percentile
from tests.processes import wait_until
from tests.support.stack import STOP, Stack

CONNECTIONS, EVENTS, ROUNDS = 32, int(os.environ.get("BENCH_EVENTS", "10000")), 5
STORED = int(os.environ.get("BENCH_STORED", "5000000"))
FILLER = "x" * 700
_ids = random.Random(20260302)  # noqa: S311 - the same events every time

FILL = """
    INSERT INTO kota_events (id, type, version, body, state, received_at)
    SELECT 'evt_' || md5('fill' || n), 'employee.updated', 'v2', decode(repeat(md5(n::text), 2), 'hex'), 'processed',
        now() - n * interval '1 second'
    FROM generate_series($1::int, $2::int) AS n
"""


@dataclass(frozen=True)
class Intake:
    """Where deliveries go, and the secret that signs them."""

    port: int
    secret: str


def run(folder: Path) -> list[Result]:
    """Events a second and p99, beside the naive intake; then events a second, beside a table with few."""
    with _stack(folder / "few") as few:
        ours = Intake(_port(few), few.webhook_secret)
        naive = Intake(free_port(), few.webhook_secret)
        with _naive(few, naive.port, folder):
            loads, reference = _in_turns(ours, naive)
        results = [
            Result("intake: events", _rate(loads), _rate(reference), "/s", ">=", 3.0),
            Result("intake: p99", _p99(loads), _p99(reference), "ms", "<=", 1.0),
        ]
        if STORED:
            with _stack(folder / "many") as many:
                asyncio.run(_fill(many.postgres.url))
                loads, reference = _in_turns(Intake(_port(many), many.webhook_secret), ours)
            results.append(Result(f"intake: with {STORED:,} stored", _rate(loads), _rate(reference), "/s", ">=", 0.9))
    return results


def _stack(folder: Path) -> Stack:
    # What is measured is intake, so no worker takes part of the machine.
    return Stack(folder, workers=0, durable=True, log_level="info", serve=("--workers", "2"))


def _port(stack: Stack) -> int:
    return int(stack.api_urls[0].rpartition(":")[2])


def _in_turns(one: Intake, other: Intake) -> tuple[list[Load], list[Load]]:
    """Rounds of both, so that a busy machine meets both alike."""
    rounds = [(_load(one), _load(other)) for _ in range(ROUNDS)]
    return [first for first, _ in rounds], [second for _, second in rounds]


def _load(intake: Intake) -> Load:
    requests = [_request(intake.secret) for _ in range(EVENTS)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(run_load(intake.port, requests, connections=CONNECTIONS))
    assert load.statuses == {200: EVENTS}, load.statuses
    return load


def _request(secret: str) -> bytes:
    number = _ids.getrandbits(128)
    event = {
        "id": f"evt_{number:032x}",
        "type": "employee.updated",
        "platform_id": "pt_00000000000000000000000000000001",
        "data": {"id": f"ee_{number:032x}", "metadata": {"note": FILLER}},
        "created_at": "2026-03-02T09:15:00Z",
        "version": "V2",
    }
    body = json.dumps(event).encode()
    signature = sign(body, secret=secret.encode(), at=datetime.now(UTC))
    head = (
        f"POST /webhooks/kota HTTP/1.1\r\nHost: bff\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n"
    )
    return head.encode() + body


def _naive(stack: Stack, port: int, folder: Path) -> GuardedProcess:
    asyncio.run(
        _execute(
            stack.postgres.url,
            "CREATE TABLE naive_events (id text PRIMARY KEY, type text NOT NULL, "
            "body text NOT NULL, received_at timestamptz NOT NULL DEFAULT now())",
        )
    )
    log = (folder / "naive.log").open("wb")
    arguments = ["-m", "uvicorn", "tests.bench.naive_intake:app", "--port", str(port), "--workers", "2"]
    env = {**os.environ, "DATABASE_URL": stack.postgres.url}
    process = GuardedProcess(
        [sys.executable, *arguments, "--no-access-log", "--log-level", "warning"], stop_with=STOP, output=log, env=env
    )
    log.close()
    wait_until(lambda: _listens(port))
    return process


def _listens(port: int) -> bool:
    try:
        asyncio.run(_connect(port))
    except OSError:
        return False
    return True


async def _connect(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


def _rate(loads: list[Load]) -> float:
    return sum(len(load.milliseconds) for load in loads) / sum(load.seconds for load in loads)


def _p99(loads: list[Load]) -> float:
    return percentile([milliseconds for load in loads for milliseconds in load.milliseconds], 0.99)


async def _fill(url: str) -> None:
    step = 250_000
    for first in range(1, STORED + 1, step):
        await _execute(url, FILL, first, min(first + step - 1, STORED))
    # What comes by itself after so many rows, now and not in the middle of what is measured.
    await _execute(url, "VACUUM (ANALYZE) kota_events")
    await _execute(url, "CHECKPOINT")


async def _execute(url: str, statement: str, *arguments: int) -> None:
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        await connection.execute(statement, *arguments, timeout=600)
    finally:
        await connection.close()
