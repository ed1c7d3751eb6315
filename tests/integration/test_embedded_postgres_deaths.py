import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.dev import pid_file
from app.dev.postgres import EmbeddedPostgres
from tests.integration.postgres_owners import fetch, owner_of
from tests.processes import is_alive, wait_until


def test_killed_owner_takes_its_server_along(folder: Path) -> None:
    with owner_of(folder) as owner:
        assert is_alive(owner.pid)
        owner.process.kill()
        owner.process.wait()
        wait_until(lambda: not is_alive(owner.pid) and not is_alive(owner.guardian))

    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.is_running


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="nothing but Linux tells a child of its parent's death"
)
async def test_killed_guardian_takes_its_server_along(folder: Path) -> None:
    with owner_of(folder) as owner:
        os.kill(owner.guardian, signal.SIGKILL)
        wait_until(lambda: not is_alive(owner.pid))

    with EmbeddedPostgres(folder, durable=False) as server:
        assert await fetch(server.url, "SELECT 1") == 1


async def test_killed_server_starts_again_on_the_same_data(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        await fetch(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not server.is_running)
        assert (folder / "data" / pid_file.NAME).exists()
        server.start()
        assert await fetch(server.url, "SELECT answer FROM kept") == 42


def test_stranger_with_the_pid_of_a_stale_file_lives_on(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        lines = (folder / "data" / pid_file.NAME).read_text().splitlines()
        server.kill()
    # In a session of its own: PostgreSQL makes an exception for its parents.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as stranger:
        try:
            (folder / "data" / pid_file.NAME).write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            with EmbeddedPostgres(folder, durable=False) as server:
                assert server.is_running
            assert stranger.poll() is None
        finally:
            stranger.kill()
