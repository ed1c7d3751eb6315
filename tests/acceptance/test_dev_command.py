import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dev.children import kota_bff
from tests.processes import wait_until
from tests.support.dev_command import DevCommand, all_gone

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCommand]:
    """One for the tests that leave it as it is."""
    with DevCommand(tmp_path_factory.mktemp("stack") / "data") as dev:
        dev.wait_until_ready()
        yield dev


@pytest.mark.parametrize(
    ("command", "proof"), [("serve", "Application startup complete"), ("worker", "worker.started")]
)
def test_sourcing_dev_env_is_all_that_a_further_process_needs(stack: DevCommand, command: str, proof: str) -> None:
    log = stack.data_dir / f"further-{command}.log"
    join = ["/bin/sh", "-e", "-c", '. "$1"; exec "$2" "$3"', "sh", str(stack.dev_env), kota_bff(), command]
    with log.open("wb") as output, subprocess.Popen(join, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: proof in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()


def test_second_stack_is_refused_and_the_first_one_goes_on(stack: DevCommand) -> None:
    with DevCommand(stack.data_dir.with_name("elsewhere"), port=stack.port) as other:
        assert other.process.wait(60) == 1
        assert f"Port {stack.port} is taken" in other.output
    with DevCommand(stack.data_dir) as other:
        assert other.process.wait(60) == 1
        assert "Another kota-bff dev runs" in other.output
    assert stack.dev_env.exists()
    assert stack.process.poll() is None


def test_data_folder_that_cannot_be_used_is_told_plainly(data_dir: Path) -> None:
    data_dir.write_text("not a folder")
    with DevCommand(data_dir) as dev:
        assert dev.process.wait(60) == 1
        assert str(data_dir) in dev.output
        assert "Traceback" not in dev.output


def test_killed_and_stopped_stacks_leave_no_process_behind(data_dir: Path) -> None:
    with DevCommand(data_dir) as dev:
        dev.wait_until_ready()
        family = dev.family()
        dev.process.kill()
        dev.process.wait()
        wait_until(lambda: all_gone(family))

    with DevCommand(data_dir) as dev:
        dev.wait_until_ready()
        family = dev.family()
        dev.process.terminate()
        assert dev.process.wait(60) == 0
        wait_until(lambda: all_gone(family))
        assert not dev.dev_env.exists()


@pytest.mark.parametrize("command", ["kota-bff worker", "bin/postgres"])
def test_stack_stops_and_says_why_when_a_process_of_it_ends(data_dir: Path, command: str) -> None:
    with DevCommand(data_dir) as dev:
        dev.wait_until_ready()
        family = dev.family()
        victim = next(pid for pid, args in family.items() if command in args and "guardian.py" not in args)
        os.kill(victim, signal.SIGKILL)
        assert dev.process.wait(60) == 1
        wait_until(lambda: all_gone(family))
        assert "ended unexpectedly" in dev.output
