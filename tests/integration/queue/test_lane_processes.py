"""Real processes, which are signalled while they hold rows."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from app.db.engine import Sessions
from app.models import KotaResource
from tests.integration.queue import lane_process, rows
from tests.integration.queue.conftest import AddRows

ROOT = Path(__file__).parents[3]


@contextmanager
def lane_of_its_own(url: str, *, lease: float, grace: float, job: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", lane_process.__name__, url, str(lease), str(grace), job]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def started(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
    return line.strip()


async def held_rows(sessions: Sessions) -> set[str]:
    """Whether or not the leases still run."""
    async with sessions() as session:
        return set(await session.scalars(select(KotaResource.id).where(KotaResource.lease_token.is_not(None))))


async def rows_by_status(sessions: Sessions) -> dict[str, tuple[str | None, int]]:
    async with sessions() as session:
        found = await session.execute(select(KotaResource.id, KotaResource.kota_status, KotaResource.attempts))
        return {id_: (status, attempts) for id_, status, attempts in found}


async def test_rows_of_a_killed_process_come_free_when_its_lease_runs_out(
    url: str, sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a")
    with lane_of_its_own(url, lease=2, grace=0, job="hangs") as process:
        assert await started(process) == "a"
        process.kill()
        assert await asyncio.to_thread(process.wait, 30) == -signal.SIGKILL
    assert await held_rows(sessions) == {"a"}
    async with asyncio.timeout(30):
        while True:
            async with sessions.begin() as session:
                lease_runs_out = await session.scalar(select(KotaResource.lease_until))
                taken = await rows.claim(session, 1)
                now = await session.scalar(select(func.now()))
            assert lease_runs_out
            assert now
            assert bool(taken) == (lease_runs_out <= now)
            if taken:
                break
            await asyncio.sleep(0.05)
    await rows.settle(sessions, taken[0])


async def test_terminated_process_ends_what_it_started_and_hands_back_the_rest(
    url: str, sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a", "b", "c")
    with lane_of_its_own(url, lease=60, grace=30, job="ends") as process:
        assert await started(process) == "a"
        # One in flight, one behind it.
        assert await held_rows(sessions) == {"a", "b"}
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert await held_rows(sessions) == set()
    assert await rows_by_status(sessions) == {"a": ("done", 1), "b": (None, 0), "c": (None, 0)}


async def test_terminated_process_does_not_wait_for_ever_and_leaves_the_unknown_outcome_to_the_lease(
    url: str, sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a", "b")
    with lane_of_its_own(url, lease=60, grace=0.1, job="hangs") as process:
        assert await started(process) == "a"
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert await held_rows(sessions) == {"a"}
    assert await rows_by_status(sessions) == {"a": (None, 1), "b": (None, 0)}
