"""Child processes that cannot outlive this one."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

Stages = Sequence[tuple[signal.Signals, float]]

GUARDIAN = Path(__file__).with_name("guardian.py")


class GuardedProcess:
    """A command that runs until it ends, `stop` is called or this process is gone, by SIGKILL included.

    `stop_with` are the signals that stop it, each with the seconds that it may take; `output` receives all that it
    writes; `run_as` is a command to put before it, like `setpriv …`; `pass_fds` stay open in it. It gets a session of
    its own, so that Ctrl-C in a terminal reaches the owner only, who then decides on the order.

    Raises OSError when the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stop_with: Stages,
        output: int | IO[bytes],
        run_as: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._patience = sum(seconds for _, seconds in stop_with)
        stages = ",".join(f"{number.name.removeprefix('SIG')}:{seconds}" for number, seconds in stop_with)
        orders, write_orders = os.pipe()
        self._orders: int | None = write_orders
        answers, answer = os.pipe()
        try:
            self._guardian = subprocess.Popen(
                [*run_as, sys.executable, "-I", "-S", str(GUARDIAN), stages, *command],
                stdin=orders,
                stdout=answer,
                stderr=output,
                env=env,
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except BaseException:
            os.close(write_orders)
            os.close(answers)
            raise
        finally:
            os.close(orders)
            os.close(answer)
        with os.fdopen(answers) as pid_line:
            pid = pid_line.readline()
        if not pid:
            raise OSError(f"{command[0]} could not be started (status {self.stop()})")
        self.pid = int(pid)

    @property
    def guardian_pid(self) -> int:
        return self._guardian.pid

    def poll(self) -> int | None:
        """The exit status, 128 + n after signal n; None while it runs."""
        code = self._guardian.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the command's own end. Raises subprocess.TimeoutExpired."""
        code = self._guardian.wait(timeout)
        return code if code >= 0 else 128 - code

    def ask_to_stop(self) -> None:
        """Starts what `stop` waits for, so that several can stop at once."""
        if self._orders is not None:
            os.close(self._orders)
            self._orders = None

    def stop(self) -> int:
        self.ask_to_stop()
        return self.wait(self._patience + 10)

    def kill(self) -> int:
        if self._orders is not None:
            with contextlib.suppress(BrokenPipeError):  # It ended before.
                os.write(self._orders, b"KILL\n")
            self.wait(10)
        return self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
