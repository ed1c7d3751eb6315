import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dev.children import ChildEnded, Children, answers, kota_bff
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


@pytest.mark.parametrize("command", ["kota-bff worker", "kota-bff sandbox", "kota-bff dev-api", "bin/postgres"])
def test_what_is_killed_is_started_again_and_the_stack_goes_on(stack: DevCommand, command: str) -> None:
    def processes() -> set[int]:
        return {pid for pid, args in stack.family().items() if command in args and "guardian.py" not in args}

    before = processes()
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: bool(processes()) and not processes() & before)
    wait_until(lambda: answers(f"http://127.0.0.1:{stack.port}/health/ready"))
    assert "it is started again" in stack.output
    assert stack.process.poll() is None


def test_what_keeps_ending_is_given_up() -> None:
    said: list[str] = []
    children = Children(lambda _name, line: said.append(line))
    children.start("worker", ["no-such-command"], env={})

    def given_up() -> bool:
        try:
            children.revive()
        except ChildEnded as error:
            return "status 2" in str(error)
        return False

    try:
        wait_until(given_up, seconds=60)
    finally:
        children.stop()
    assert sum("it is started again" in line for line in said) == 5
