"""Another process that owns an embedded PostgreSQL, for tests that kill it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tests.integration import postgres_owner

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Owner:
    process: "subprocess.Popen[str]"
    url: str
    pid: int
    guardian: int


@contextmanager
def owner_of(
    folder: Path, *, python: Sequence[str] = (sys.executable,), env: Mapping[str, str] | None = None
) -> Iterator[Owner]:
    command = [*python, "-m", postgres_owner.__name__, str(folder)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    with closing(process.stdin), closing(process.stdout), closing(process.stderr) as errors:
        try:
            line = process.stdout.readline()
            if not line:
                pytest.fail(errors.read())
            yield Owner(process, **json.loads(line))
        finally:
            process.stdin.close()
            process.wait(30)


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
