"""`kota-bff dev` as a person runs it, for tests: started in a folder, waited for, signalled, looked through."""

import os
import subprocess
from pathlib import Path
from typing import Self

from app.dev.children import kota_bff
from app.dev.ports import free_port
from tests.processes import is_alive, wait_until

BANNER_END = "Ctrl-C stops everything"


class DevCommand:
    """Runs from its start to the end of the `with` block at the latest."""

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self.data_dir = data_dir
        self.dev_env = data_dir / "dev.env"
        self.port = port or free_port()
        self.sandbox_port = free_port()
        ports = ["--port", str(self.port), "--sandbox-port", str(self.sandbox_port)]
        self._output = data_dir.with_name(f"{data_dir.name}.{self.port}.log")
        with self._output.open("wb") as output:
            command = [kota_bff(), "dev", *ports, "--data-dir", str(data_dir)]
            # The banner's examples build on one another: on a busy machine each may take its time.
            env = os.environ | {"SYNC_WAIT": "60"}
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        # Not for dev.env alone: a stack that was killed leaves its own behind until the next one removes it.
        wait_until(lambda: BANNER_END in self.output or self.process.poll() is not None, seconds=120)
        assert self.process.poll() is None, self.output
        assert self.dev_env.exists()

    def examples(self) -> str:
        """The commands of the banner: each line of it that starts with two spaces."""
        banner = self.output.partition("kota-bff is ready")[2].partition(BANNER_END)[0]
        return "\n".join(line for line in banner.splitlines() if line.startswith("  "))

    def family(self) -> dict[int, str]:
        """The pids of the command and of all that it started, with their command lines."""
        ran = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], check=True, capture_output=True, text=True)  # noqa: S607 - wherever the platform keeps it
        rows = [line.split(None, 2) for line in ran.stdout.splitlines()]
        found = {self.process.pid: "kota-bff dev"}
        # Children may be listed before their parents.
        while more := {int(pid): args for pid, parent, args in rows if int(parent) in found and int(pid) not in found}:
            found |= more
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


def all_gone(family: dict[int, str]) -> bool:
    return not any(is_alive(pid) for pid in family)
