"""The HTTP application in this process, on a database of its own."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx
from cryptography.fernet import Fernet
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings

SERVICE_KEY = secrets.token_urlsafe(32)
WEBHOOK_SECRETS = ("the newer made-up secret", "the older made-up secret")


@dataclass
class Application:
    """`http` asks it directly; `app.state` holds what the process holds."""

    app: FastAPI
    settings: Settings
    http: httpx.AsyncClient


def settings_for(url: str, **overrides: Any) -> Settings:
    """A whole configuration that reads nothing of the environment but what it is given."""
    values: dict[str, Any] = {
        "database_url": url,
        "kota_api_url": "http://127.0.0.1:9",
        "kota_api_key": "pk_test_" + "not-a-key",
        "kota_webhook_secrets": ",".join(WEBHOOK_SECRETS),
        "encryption_keys": Fernet.generate_key().decode(),
        "lookup_key": secrets.token_hex(32),
        "service_keys": f"tests:{sha256(SERVICE_KEY.encode()).hexdigest()}",
        "log_level": "warning",
    }
    return Settings(**values | overrides)


@asynccontextmanager
async def open_application(url: str, **overrides: Any) -> AsyncIterator[Application]:
    """The application, started and later stopped as a server does it."""
    settings = settings_for(url, **overrides)
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bff.test") as http,
    ):
        yield Application(app, settings, http)
