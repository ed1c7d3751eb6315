"""`kota-bff serve --workers N` is one service: its processes share the load, count together, and leave nothing."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from app.dev.guarded import GuardedProcess
from app.dev.ports import free_port
from tests.processes import is_alive, wait_until
from tests.support.stack import STOP, Stack

pytestmark = pytest.mark.acceptance

REQUESTS = 40


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), workers=0) as running:
        yield running


@contextmanager
def _serving(stack: Stack, folder: Path) -> Iterator[tuple[str, GuardedProcess]]:
    """`serve --workers 2` once both of its processes listen; its URL. `folder` is its temporary one."""
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
        _wait_until_all_listen(url)
        wait_until(lambda: _answers(url))
        yield url, server
    finally:
        server.stop()


def test_metrics_add_up_over_the_processes_and_go_with_them(stack: Stack, tmp_path: Path) -> None:
    with _serving(stack, tmp_path) as (url, _):
        before = _count(url, stack)
        # Each on a connection of its own, so both of them answer some.
        for _ in range(REQUESTS):
            assert _lives(url)
        assert {_count(url, stack) for _ in range(REQUESTS)} == {before + REQUESTS}

    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_connections_are_dealt_out_to_all_processes(stack: Stack, tmp_path: Path) -> None:
    with _serving(stack, tmp_path) as (url, _):
        idle = {pid: _sockets(pid) for pid in _pids(tmp_path)}
        with ExitStack() as kept:
            for _ in range(REQUESTS):
                kept.enter_context(httpx.Client()).get(f"{url}/health/live").raise_for_status()
            # Fewer in a fair deal: once in a million times.
            assert all(_sockets(pid) >= idle[pid] + REQUESTS // 8 for pid in idle)


def test_nobody_is_sent_to_a_process_that_died(stack: Stack, tmp_path: Path) -> None:
    with _serving(stack, tmp_path) as (url, _):
        first, second = _pids(tmp_path)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not is_alive(first))
        for _ in range(REQUESTS):
            assert _lives(url)

        _wait_until_all_listen(url)
        assert f"Child process [{first}] died" in (tmp_path / "log").read_text()
        os.kill(second, signal.SIGSTOP)
        try:
            # The one in the place of the first answers whoever is dealt to it, before the second is replaced as well.
            wait_until(lambda: _lives(url, timeout=0.3), seconds=4)
        finally:
            os.kill(second, signal.SIGCONT)


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


def _wait_until_all_listen(url: str) -> None:
    address = f"0100007F:{httpx.URL(url).port:04X}"
    # Columns of /proc/net/tcp: number, local and remote address, state. 0A listens.

    def listening() -> int:
        lines = Path("/proc/net/tcp").read_text().splitlines()
        return sum(line.split()[1] == address and line.split()[3] == "0A" for line in lines)

    wait_until(lambda: listening() == 2)


def _lives(url: str, *, timeout: float = 10) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=timeout).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _pids(folder: Path) -> list[int]:
    """Of the living processes that count: prometheus_client's files are named after them."""
    pids = {int(path.stem.rpartition("_")[2]) for path in folder.glob("kota-bff-metrics-*/*.db")}
    return sorted(pid for pid in pids if is_alive(pid))


def _sockets(pid: int) -> int:
    return sum(str(file.readlink()).startswith("socket:") for file in Path(f"/proc/{pid}/fd").iterdir())


def _count(url: str, stack: Stack) -> int:
    """How often the service says that it answered `/health/live`."""
    answer = httpx.get(f"{url}/metrics", headers=stack.service_headers, timeout=10)
    answer.raise_for_status()
    lines = [line for line in answer.text.splitlines() if line.startswith("kota_bff_http_requests_total")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if 'route="/health/live"' in line)
