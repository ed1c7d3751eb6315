"""The real application in this process, a sandbox of Kota behind it, and a host that signs tokens."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI

from app.kota.pool import open_connections
from app.main import create_app
from app.sandbox.server import server as sandbox_server
from app.sandbox.settings import SandboxSettings
from app.settings import Settings
from tests.support.transactions import OutsideTransactions

API_KEY = "pk_test_" + "made_up"
ISSUER, AUDIENCE = "https://host.test", "kota-bff"
NOWHERE = "http://127.0.0.1:1"
"""A URL at which nothing ever listens."""

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def pem_of(key: SigningKey) -> str:
    """The public half of `key`."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


class Host:
    """A made-up host: it signs tokens for its people, and its backend holds a service key with every scope."""

    def __init__(self, key: SigningKey | None = None, *, algorithm: str = "ES256") -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.algorithm = algorithm
        self.service_key = secrets.token_urlsafe(32)

    def claims(self, employer: str = "acme", employee: str | None = None, **claims: Any) -> dict[str, Any]:
        """The claims of a good token; a claim that is None is left out."""
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": f"user-of-{employee or employer}",
            "iat": now,
            "exp": now + 600,
            "kota_employer": employer,
            "kota_employee": employee,
            "kota_audiences": ["employer", "employee"],
        }
        return {name: value for name, value in (payload | claims).items() if value is not None}

    def token(
        self, employer: str = "acme", employee: str | None = None, *, kid: str | None = None, **claims: Any
    ) -> str:
        """A token that holds unless `claims` say something else."""
        headers = {"kid": kid} if kid else None
        return jwt.encode(self.claims(employer, employee, **claims), self.key, self.algorithm, headers=headers)

    def bearer(self, employer: str = "acme", employee: str | None = None, **claims: Any) -> dict[str, str]:
        """The headers of a signed-in person."""
        return {"Authorization": f"Bearer {self.token(employer, employee, **claims)}"}

    @property
    def service(self) -> dict[str, str]:
        """The headers of the host's backend."""
        return {"Authorization": f"Bearer {self.service_key}"}


def settings_for(database_url: str, *, host: Host, **changes: Any) -> Settings:
    """Settings for the application on that database; nothing answers for Kota unless `kota_api_url` says so."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "database_pool_size": 4,
        "kota_api_url": NOWHERE,
        "kota_api_key": API_KEY,
        "kota_webhook_secrets": ("made-up-webhook-secret",),
        "frontend_public_key": pem_of(host.key),
        "frontend_issuer": ISSUER,
        "frontend_audience": AUDIENCE,
        "service_keys": (f"tests:{hashlib.sha256(host.service_key.encode()).hexdigest()}",),
        "encryption_keys": (Fernet.generate_key().decode(),),
        "lookup_key": secrets.token_urlsafe(32),
        "sync_wait": 0,
        "log_level": "error",
    }
    return Settings(**(values | changes))


@dataclass(frozen=True, slots=True)
class RunningApp:
    """The application after its start-up, and a client that talks to it."""

    app: FastAPI
    http: httpx.AsyncClient
    settings: Settings


@asynccontextmanager
async def running_app(settings: Settings) -> AsyncIterator[RunningApp]:
    """Start the application, and stop it afterwards. What it raises is answered as it would be by a server."""
    kota = OutsideTransactions(open_connections())
    app = create_app(settings, kota_transport=kota)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://kota-bff.test") as http,
    ):
        yield RunningApp(app, http, settings)
    assert kota.refused == []


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox of Kota that really listens."""

    url: str
    http: httpx.AsyncClient
    """For `/_control`, and for Kota's API with the key that `settings_for` sets."""

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call `/_control/{path}`; its JSON."""
        answer = await self.http.request(method, f"/_control/{path}", json=body)
        answer.raise_for_status()
        return answer.json()


@asynccontextmanager
async def running_sandbox(**settings: Any) -> AsyncIterator[RunningSandbox]:
    """A kind sandbox on a free port, unless `settings` (of `SandboxSettings`) say otherwise."""
    server = sandbox_server(SandboxSettings(**{"port": 0, "kind": True, "api_keys": [API_KEY], **settings}))
    # Not serve(): the process of the tests decides about signals.
    task = asyncio.create_task(server._serve())
    try:
        while not server.started:
            assert not task.done(), "the sandbox did not start"
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {API_KEY}"}) as http:
            yield RunningSandbox(url, http)
    finally:
        server.should_exit = True
        await task
