"""A service that cannot start says why, and does not end as if all were well."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from app.dev.ports import free_port
from app.ops.logging import configure_logging
from app.web.held_port import HeldPort

pytestmark = [pytest.mark.acceptance, pytest.mark.parametrize("workers", [1, 2])]

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "DATABASE_URL": "postgresql://postgres:made-up@127.0.0.1:1/x",
    "KOTA_API_KEY": "pk_test_" + "made-up",
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "LOOKUP_KEY": "made-up " * 4,
}


def _ended(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env={**ENVIRONMENT, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_key_that_cannot_be_used_is_named_at_once(workers: int) -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    ended = _ended(
        *("-m", "app.cli", "serve", "--port", str(free_port()), "--workers", str(workers)),
        FRONTEND_PUBLIC_KEY=key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        FRONTEND_ISSUER="https://id.example.com",
        FRONTEND_AUDIENCE="kota-bff",
        LOOKUP_KEY="short",
    )

    assert ended.returncode == 78, ended.stdout + ended.stderr
    assert "FRONTEND_PUBLIC_KEY: " in ended.stderr
    assert "LOOKUP_KEY: " in ended.stderr


def test_port_of_another_is_refused_even_if_it_could_be_shared(workers: int) -> None:
    unheld = socket.create_server(("127.0.0.1", 0))
    # Nobody listens yet, or none of its processes does any more.
    with HeldPort.of(unheld) as taken:
        port = str(taken.getsockname()[1])
        ended = _ended(*("-m", "app.cli", "serve", "--port", port, "--workers", str(workers)))

    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "address already in use" in ended.stdout.lower()


def create_app_that_cannot_start() -> FastAPI:
    configure_logging(level="info", fmt="json")
    return FastAPI(lifespan=_fails)


@asynccontextmanager
async def _fails(_app: FastAPI) -> AsyncIterator[None]:
    raise LookupError("made-up name")
    yield


def test_whatever_stops_the_start_is_logged_and_is_no_success(workers: int) -> None:
    here = f"{__name__}:{create_app_that_cannot_start.__name__}"
    ended = _ended(
        *("-c", f"from app.cli import _serve; _serve({here!r}, host='127.0.0.1', port=0, workers={workers})")
    )

    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert '"process.exception"' in ended.stdout
    assert '"LookupError"' in ended.stdout
    assert "made-up name" not in ended.stdout + ended.stderr
