"""`kota-bff dev`: PostgreSQL, migrations, the Kota sandbox, the API and the worker in one command."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from app.db import migrate
from app.dev.banner import banner
from app.dev.children import ChildEnded, Children, NotReady
from app.dev.credentials import read_or_make_credentials
from app.dev.environment import (
    HOST,
    Addresses,
    demo_environment,
    sandbox_environment,
    service_environment,
    write_dev_env,
)
from app.dev.files import open_lock, try_lock
from app.dev.ports import free_port, is_free
from app.dev.postgres import EmbeddedPostgres, EmbeddedPostgresError

COLOURS = {"postgres": "blue", "sandbox": "magenta", "api": "green", "worker": "cyan"}


@dataclass(frozen=True)
class StackOptions:
    port: int
    sandbox_port: int
    data_dir: Path


class Stopped(BaseException):
    """SIGINT or SIGTERM came. Not an Exception: nothing on the way may take it for a failure."""


class Refused(Exception):
    """The stack cannot run like this; the message says what to change."""


def run_stack(options: StackOptions, *, console: Console) -> int:
    """Runs until it is told to stop, and answers 0; 1 if anything does not start, or keeps ending by itself.

    What is killed is started again, so that a person can see the rest of the stack go on.
    """
    data_dir = options.data_dir.absolute()
    try:
        with stopped_by_signals(), _sole_owner(data_dir):
            _refuse_taken_ports(options)
            with EmbeddedPostgres(data_dir / "postgres") as server:
                _run(options, data_dir=data_dir, server=server, console=console)
    except Stopped:
        console.print("Stopped.")
        return 0
    except (Refused, ChildEnded, NotReady, EmbeddedPostgresError, OSError) as error:
        console.print(Text(f"{error}", style="red"), soft_wrap=True)
        console.print("Everything is stopped.")
        return 1


@contextmanager
def _sole_owner(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = open_lock(data_dir / "dev.lock")
    try:
        if not try_lock(lock):
            raise Refused(f"Another kota-bff dev runs on {data_dir}.")
        # It says that the stack is ready; one that was killed left it behind.
        (data_dir / "dev.env").unlink(missing_ok=True)
        yield
    finally:
        os.close(lock)


def _refuse_taken_ports(options: StackOptions) -> None:
    taken = [str(port) for port in (options.port, options.sandbox_port) if not is_free(port)]
    if taken:
        raise Refused(f"Port {' and '.join(taken)} is taken. Choose others: make dev PORT=… SANDBOX_PORT=…")


def _run(options: StackOptions, *, data_dir: Path, server: EmbeddedPostgres, console: Console) -> NoReturn:
    dev_env = data_dir / "dev.env"
    credentials = read_or_make_credentials(data_dir / "credentials.json")
    addresses = Addresses(server.url, port=options.port, sandbox_port=options.sandbox_port)
    service = service_environment(credentials, addresses)
    sandbox = sandbox_environment(credentials, addresses, data_dir=data_dir / "sandbox")
    children = Children(lambda name, line: _show(console, name, line))
    try:
        children.start("sandbox", ["sandbox"], env=sandbox)
        migrate.run(server.url)
        health_port = free_port()
        demo = demo_environment(credentials, addresses)
        children.start("api", ["dev-api", "--host", HOST, "--port", str(options.port)], env=service | demo)
        children.start("worker", ["worker"], env=service | {"OPS_PORT": str(health_port)})
        children.wait_for("sandbox", f"{addresses.sandbox_url}/_control/requests")
        children.wait_for("api", f"{addresses.api_url}/health/ready")
        children.wait_for("worker", f"http://{HOST}:{health_port}/health/ready")
        write_dev_env(dev_env, service=service, credentials=credentials, addresses=addresses)
        console.print(banner(dev_env, addresses=addresses), soft_wrap=True, markup=False, highlight=False)
        while True:
            children.revive()
            if not server.is_running:
                _show(
                    console, "postgres", f"ended unexpectedly, see {server.folder / 'server.log'}; it is started again"
                )
                server.restart()
            time.sleep(0.2)
    finally:
        ignore_signals()
        dev_env.unlink(missing_ok=True)
        # The sandbox last: what the others have in flight still gets its answer.
        children.stop("api", "worker")
        children.stop()


def _show(console: Console, name: str, line: str) -> None:
    # Rich exits when nobody reads the output any more, and writes to nowhere from then on. The stack goes on.
    with suppress(SystemExit):
        console.print(Text.assemble((f"{name:>8} ", COLOURS[name]), line), soft_wrap=True)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into Stopped. Later ones change nothing: stopping is bounded."""

    def stop(*_: object) -> NoReturn:
        ignore_signals()
        raise Stopped

    # What is ignored stays so: that is how nohup works.
    before = {number: signal.getsignal(number) for number in SIGNALS}
    caught = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
