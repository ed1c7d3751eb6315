import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from app.dev.guarded import GuardedProcess
from tests.processes import is_alive, wait_until

STOP = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 0.0))
WAIT = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
]


@pytest.fixture
def output(tmp_path: Path) -> Iterator[IO[bytes]]:
    with (tmp_path / "output").open("w+b") as file:
        yield file


def is_up(output: IO[bytes]) -> bool:
    output.seek(0)
    return b"up" in output.read()


def test_command_ends_by_itself_with_its_own_status_and_output(output: IO[bytes]) -> None:
    code = "import sys; print('said'); sys.exit('complained')"
    process = GuardedProcess([sys.executable, "-c", code], stop_with=STOP, output=output)
    assert process.wait(30) == 1
    assert process.poll() == 1
    assert process.stop() == 1
    output.seek(0)
    assert sorted(output.read().split()) == [b"complained", b"said"]


def test_stop_sends_the_first_signal(output: IO[bytes]) -> None:
    with GuardedProcess(WAIT, stop_with=STOP, output=output) as process:
        wait_until(lambda: is_up(output))
        assert process.poll() is None
        assert process.stop() == 128 + signal.SIGTERM
        assert not is_alive(process.pid)


def test_stop_goes_on_to_the_next_signal_when_the_first_is_ignored(output: IO[bytes]) -> None:
    stages = ((signal.SIGTERM, 0.1), (signal.SIGKILL, 0.0))
    with GuardedProcess(STUBBORN, stop_with=stages, output=output) as process:
        wait_until(lambda: is_up(output))
        assert process.stop() == 128 + signal.SIGKILL


def test_kill_skips_the_stages(output: IO[bytes]) -> None:
    with GuardedProcess(STUBBORN, stop_with=((signal.SIGTERM, 600.0),), output=output) as process:
        assert process.kill() == 128 + signal.SIGKILL
        assert not is_alive(process.pid)


def test_guardian_that_is_told_to_end_stops_the_command_first(output: IO[bytes]) -> None:
    with GuardedProcess(WAIT, stop_with=STOP, output=output) as process:
        wait_until(lambda: is_up(output))
        os.kill(process.guardian_pid, signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert not is_alive(process.pid)


def test_command_that_does_not_exist_is_told(output: IO[bytes], tmp_path: Path) -> None:
    missing = str(tmp_path / "no-such-command")
    with pytest.raises(OSError, match="no-such-command could not be started"):
        GuardedProcess([missing], stop_with=STOP, output=output)


def test_owners_death_stops_the_command(output: IO[bytes]) -> None:
    code = (
        "import signal, sys; from app.dev.guarded import GuardedProcess\n"
        f"process = GuardedProcess({WAIT!r}, stop_with=((signal.SIGTERM, 5.0),), output=sys.stderr)\n"
        "print(process.pid, flush=True)\nsignal.pause()"
    )
    owner = [sys.executable, "-c", code]
    with subprocess.Popen(owner, stdout=subprocess.PIPE, stderr=output, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        wait_until(lambda: is_up(output))
        process.kill()
    wait_until(lambda: not is_alive(pid))
