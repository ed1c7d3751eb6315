"""`kota-bff serve --workers N` is one service: its processes count together, and leave nothing behind."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from app.dev.guarded import GuardedProcess
from app.dev.ports import free_port
from tests.processes import is_alive, wait_until
from tests.support.stack import STOP, Stack

pytestmark = pytest.mark.acceptance

REQUESTS = 5


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), workers=0) as running:
        yield running


@contextmanager
def _serving(stack: Stack, folder: Path) -> Iterator[tuple[str, GuardedProcess]]:
    """`serve --workers 2` once both of its processes count; its URL. `folder` is its temporary one."""
    port = free_port()
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **stack.env}
    with (folder / "log").open("wb") as log:
        server = GuardedProcess(
            [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--workers", "2"],
            stop_with=STOP,
            output=log,
            env=env,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url))
        wait_until(lambda: len(_pids(folder)) == 2)
        yield url, server
    finally:
        server.stop()


def test_metrics_add_up_over_the_processes_and_go_with_them(stack: Stack, tmp_path: Path) -> None:
    with _serving(stack, tmp_path) as (url, _):
        first, second = _pids(tmp_path)
        before = _count(url, stack)
        for one, other in ((first, second), (second, first)):
            # While one of them sleeps the other must answer, so both have counted in the end.
            with _asleep(one):
                for _ in range(REQUESTS):
                    httpx.get(f"{url}/health/live", timeout=10).raise_for_status()
                assert _count(url, stack) == before + REQUESTS
            before += REQUESTS
            with _asleep(other):
                assert _count(url, stack) == before

    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_killed_supervisor_takes_its_processes_along(stack: Stack, tmp_path: Path) -> None:
    with _serving(stack, tmp_path) as (url, server):
        pids = _pids(tmp_path)
        server.kill()

        try:
            wait_until(lambda: not any(is_alive(pid) for pid in pids))
            assert not _answers(url)
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _pids(folder: Path) -> list[int]:
    """Of the processes that count: prometheus_client's files are named after them."""
    return sorted({int(path.stem.rpartition("_")[2]) for path in folder.glob("kota-bff-metrics-*/*.db")})


@contextmanager
def _asleep(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _count(url: str, stack: Stack) -> int:
    """How often the service says that it answered `/health/live`."""
    answer = httpx.get(f"{url}/metrics", headers=stack.service_headers, timeout=10)
    answer.raise_for_status()
    lines = [line for line in answer.text.splitlines() if line.startswith("kota_bff_http_requests_total")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if 'route="/health/live"' in line)
