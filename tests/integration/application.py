"""The application on a database of its own, for tests of deliveries and of what the host's backend asks about them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.app import Host, RunningApp, running_app, settings_for

WEBHOOK_SECRETS = ("the newer made-up secret", "the older made-up secret")
Application = RunningApp

_host = Host()
SERVICE_KEY = _host.service_key


@asynccontextmanager
async def open_application(url: str, **overrides: Any) -> AsyncIterator[Application]:
    """The application, started and later stopped as a server does it; `overrides` are settings."""
    settings = settings_for(url, host=_host, **({"kota_webhook_secrets": WEBHOOK_SECRETS} | overrides))
    async with running_app(settings) as running:
        yield running
