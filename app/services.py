"""What a process holds for as long as it runs. A root makes it and hands it down."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.encryption import Keyring
from app.db.engine import Sessions, create_engine, create_sessions
from app.kota import Attempt, KotaClient, Timeouts, open_client
from app.ops.metrics import KOTA_SECONDS
from app.queue.bell import Bell
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The process-wide parts, each usable by any number of requests at once."""

    settings: Settings
    engine: AsyncEngine
    sessions: Sessions
    keyring: Keyring
    kota: KotaClient
    bell: Bell

    @property
    def lookup_key(self) -> bytes:
        """The key of `app.db.encryption.lookup_digest`."""
        return self.settings.lookup_key.get_secret_value().encode()


async def open_services(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    application_name: str,
    through_pooler: bool = False,
    kota_transport: httpx.AsyncBaseTransport | None = None,
) -> Services:
    """What a process holds while it runs; `stack` closes it. Nothing here needs the database or Kota to be up.

    `through_pooler` is for processes of which there may be many: where a transaction pooler stands before the database,
    the others go around it, and keep their prepared statements and time-outs. `kota_transport` takes the place of the
    network to Kota.
    """
    keyring = Keyring([key.get_secret_value() for key in settings.encryption_keys])
    pooled = through_pooler and settings.database_direct_url is not None
    engine = create_engine(
        settings.database_url.get_secret_value() if pooled else settings.direct_url,
        keyring=keyring,
        application_name=application_name,
        pool_size=settings.database_pool_size,
        pooled=pooled,
    )
    stack.push_async_callback(engine.dispose)
    kota = await stack.enter_async_context(
        open_client(
            api_url=settings.kota_api_url,
            api_key=settings.kota_api_key.get_secret_value(),
            max_in_flight=settings.kota_max_in_flight,
            timeouts=Timeouts(
                read=settings.kota_read_timeout.total_seconds(), write=settings.kota_write_timeout.total_seconds()
            ),
            observe=_count,
            transport=kota_transport,
        )
    )
    bell = await stack.enter_async_context(
        Bell(settings.direct_url, application_name=f"{application_name} bell").listening()
    )
    return Services(
        settings=settings, engine=engine, sessions=create_sessions(engine), keyring=keyring, kota=kota, bell=bell
    )


def _count(attempt: Attempt) -> None:
    outcome = "ok" if attempt.error is None else type(attempt.error).__name__
    KOTA_SECONDS.labels(attempt.operation, outcome).observe(attempt.seconds)
