"""A whole stack of real processes for acceptance tests and benchmarks: PostgreSQL, sandbox, APIs and workers.

Every process can be killed and started again. Their output goes to files in the stack's folder, one a process start,
so that a test can read what each of them said last. At the end none of them may have written a secret of the stack.
"""

import base64
import hashlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, Protocol, Self

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import make_url

from app.dev.guarded import GuardedProcess
from app.dev.ports import free_port
from app.dev.postgres import EmbeddedPostgres
from tests.processes import wait_until
from tests.support.forked import ForkedCommand
from tests.support.leaks import leaks

COMMAND = [sys.executable, "-m", "app.cli"]
API_KEY = "pk_test_made_up_for_tests"
ISSUER, AUDIENCE = "https://host.test", "kota-bff"
STOP = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 0.0))


class Running(Protocol):
    """A started command."""

    pid: int

    def poll(self) -> int | None: ...
    def stop(self) -> int: ...
    def kill(self) -> int: ...


class Process:
    """One command of ours, with a new log file for every start."""

    def __init__(
        self, name: str, arguments: list[str], *, env: Mapping[str, str], folder: Path, forked: bool = False
    ) -> None:
        self.name = name
        self._arguments = arguments
        self.env = env
        self._folder = folder
        self._forked = forked
        self._starts = count()
        self._running: Running | None = None

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    def start(self) -> None:
        with (self._folder / f"{self.name}.{next(self._starts)}.log").open("wb") as log:
            self._running = self._run(log)

    def _run(self, log: IO[bytes]) -> Running:
        if self._forked:
            return ForkedCommand(self._arguments, output=log, env=self.env)
        return GuardedProcess([*COMMAND, *self._arguments], stop_with=STOP, output=log, env=self.env)

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return None if self._running is None else self._running.poll()

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()

    def kill(self) -> None:
        """SIGKILL, then wait for its end."""
        if self._running is not None:
            self._running.kill()

    def logs(self) -> str:
        """All that it said, over all of its starts."""
        paths = sorted(self._folder.glob(f"{self.name}.*.log"))
        return "".join(path.read_text(errors="replace") for path in paths)


class Stack:
    """`apis` and `workers` processes over one database and one sandbox; use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        apis: int = 1,
        workers: int = 1,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        sandbox: Mapping[str, str] | None = None,
        postgres: Mapping[str, str] | None = None,
        webhooks_to: int = 0,
        serve: Sequence[str] = (),
        forked: bool = False,
        log_level: str = "debug",
    ) -> None:
        """`settings` and `sandbox` are environment variables over the defaults below; `postgres` its own settings.

        Kota's webhooks go to the API number `webhooks_to`. `serve` are further arguments of each API. `forked` starts
        APIs and workers from a process that has imported them already, for tests that start very many. At the level
        debug they say all that they could ever say; a benchmark lets them say what they say in production.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder / "postgres", durable=durable, settings=dict(postgres or {}))
        self.service_key = secrets.token_urlsafe(32)
        self.webhook_secret = secrets.token_urlsafe(32)
        self._signing_key = ec.generate_private_key(ec.SECP256R1())
        ports = [free_port() for _ in range(apis + 1)]
        self.sandbox_url = f"http://127.0.0.1:{ports[0]}"
        self.api_urls = [f"http://127.0.0.1:{port}" for port in ports[1:]]
        self._sandbox_env = {
            "SANDBOX_PORT": str(ports[0]),
            "SANDBOX_API_KEYS": API_KEY,
            "SANDBOX_WEBHOOK_URL": f"{self.api_urls[webhooks_to]}/webhooks/kota",
            "SANDBOX_WEBHOOK_SECRETS": self.webhook_secret,
            **(sandbox or {}),
        }
        self._overrides = {"LOG_LEVEL": log_level, **(settings or {})}
        self._signatures: set[str] = set()
        self._counts = apis, workers
        self._serve = tuple(serve)
        self._forked = forked
        self.sandbox: Process
        self.apis: list[Process] = []
        self.workers: list[Process] = []
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop()
        if kind is None:
            assert leaks(self.logs(), self.secrets()) == []

    def secrets(self) -> set[str]:
        """All that opens something in this stack."""
        listed = ("KOTA_API_KEY", "KOTA_WEBHOOK_SECRETS", "ENCRYPTION_KEYS", "LOOKUP_KEY", "HOST_WEBHOOK_SECRET")
        values = (part for name in listed for part in self.env.get(name, "").split(","))
        private = self._signing_key.private_numbers().private_value.to_bytes(32, "big").hex()
        password = make_url(self.postgres.url).password or ""
        # Of a token, what makes it one is the signature.
        return {self.service_key, self.webhook_secret, private, password, *values, *self._signatures} - {""}

    def logs(self) -> dict[str, bytes]:
        """What every process wrote, by the name of its file."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.log")}

    def _start(self) -> None:
        self.postgres.start()
        self.env = self._settings()
        self.sandbox = Process("sandbox", ["sandbox"], env=_child(self._sandbox_env), folder=self.folder)
        self.sandbox.start()
        migrate = Process("migrate", ["migrate"], env=_child(self.env), folder=self.folder)
        migrate.start()
        wait_until(lambda: migrate.poll() is not None)
        assert migrate.poll() == 0, migrate.logs()
        apis, workers = self._counts
        for number in range(apis):
            port = self.api_urls[number].rpartition(":")[2]
            self.apis.append(self._process(f"api{number}", ["serve", "--port", port, *self._serve]))
        self.workers = [self._process(f"worker{number}", ["worker"]) for number in range(workers)]
        for process in (*self.apis, *self.workers):
            process.start()
        self.wait_ready()

    def _process(self, name: str, arguments: list[str]) -> Process:
        return Process(name, arguments, env=_child(self.env), folder=self.folder, forked=self._forked)

    def _stop(self) -> None:
        for process in (*self.workers, *self.apis):
            process.stop()
        if hasattr(self, "sandbox"):
            self.sandbox.stop()
        self.postgres.stop()

    def wait_ready(self) -> None:
        """Until every API and the sandbox answer."""
        for url in (f"{self.sandbox_url}/_control/requests", *(f"{api}/health/ready" for api in self.api_urls)):
            wait_until(lambda url=url: _answers(url))  # type: ignore[misc]  # mypy cannot type a lambda's default.

    def _settings(self) -> dict[str, str]:
        public = self._signing_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "DATABASE_URL": self.postgres.url,
            "KOTA_API_URL": self.sandbox_url,
            "KOTA_API_KEY": API_KEY,
            "KOTA_WEBHOOK_SECRETS": self.webhook_secret,
            "FRONTEND_PUBLIC_KEY": public.decode(),
            "FRONTEND_ISSUER": ISSUER,
            "FRONTEND_AUDIENCE": AUDIENCE,
            "SERVICE_KEYS": f"tests:{hashlib.sha256(self.service_key.encode()).hexdigest()}",
            "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "LOOKUP_KEY": secrets.token_urlsafe(32),
            "OPS_PORT": "0",
            # Leases and waits of minutes in production are seconds here, so that what a kill left behind comes free.
            "KOTA_READ_TIMEOUT": "2",
            "KOTA_WRITE_TIMEOUT": "2",
            "PUSH_LEASE": "5",
            "RESOURCE_LEASE": "5",
            "PUSH_RETRY_FIRST": "0.2",
            "PUSH_RETRY_LONGEST": "2",
            "EVENT_RETRY_FIRST": "0.2",
            "EVENT_RETRY_LONGEST": "2",
            "LOOK_EVERY": "0.5",
            "SHUTDOWN_GRACE": "10",
            **self._overrides,
        }

    @property
    def service_headers(self) -> dict[str, str]:
        """The credential of the host's backend."""
        return {"Authorization": f"Bearer {self.service_key}"}

    def frontend_token(self, employer: str, employee: str | None = None, **claims: Any) -> str:
        """A token that the host signed for one of its people."""
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": f"user-of-{employee or employer}",
            "iat": now,
            "exp": now + 3600,
            "kota_employer": employer,
            "kota_audiences": ["employer", "employee"],
        }
        if employee is not None:
            payload["kota_employee"] = employee
        token = jwt.encode(payload | claims, self._signing_key, algorithm="ES256")
        self._signatures.add(token.rpartition(".")[2])
        return token

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's `/_control`; its JSON, or None."""
        answer = httpx.request(method, f"{self.sandbox_url}/_control/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _child(env: Mapping[str, str]) -> dict[str, str]:
    """An environment for a child: what the machine and coverage need, and nothing else of ours."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict(env)
