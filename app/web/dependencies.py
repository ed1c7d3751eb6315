"""What a route may ask for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.db.engine import Sessions
from app.kota import KotaClient
from app.queue.bell import Bell
from app.services import Services
from app.settings import Settings
from app.web.problems import request_id_of


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    services = request.app.state.services
    if not isinstance(services, Services):
        raise TypeError("the application was started without its services")
    return services


# Dependencies are coroutines even where they wait for nothing: FastAPI runs others on a thread, at many times the cost.
async def get_services(request: Request) -> Services:
    """The same as a dependency."""
    return services_of(request)


ServicesDep = Annotated[Services, Depends(get_services)]


async def get_session(services: ServicesDep) -> AsyncIterator[AsyncSession]:
    """A session in a transaction. It commits when the route returns, before anything is answered."""
    async with services.sessions.begin() as session:
        yield session


async def get_sessions(services: ServicesDep) -> Sessions:
    """For routes that call Kota, wait or stream: they open their own short transactions."""
    return services.sessions


async def get_settings(services: ServicesDep) -> Settings:
    """The process's settings."""
    return services.settings


async def get_kota(services: ServicesDep) -> KotaClient:
    """The process's client for Kota."""
    return services.kota


async def get_bell(services: ServicesDep) -> Bell:
    """The process's ear for other processes."""
    return services.bell


async def get_keyring(services: ServicesDep) -> Keyring:
    """For what is encrypted outside a column type."""
    return services.keyring


async def get_lookup_key(services: ServicesDep) -> bytes:
    """The key of keyed digests."""
    return services.lookup_key


async def get_request_id(request: Request) -> str:
    """The id that logs, answers and problems of this request carry."""
    return request_id_of(request)


async def get_now() -> datetime:
    """The time of the request, for rules about days and deadlines."""
    return datetime.now(UTC)


# scope="function": the exit code runs before the answer is sent. By default it would run after, and a commit that
# fails would already have been answered as a success.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
SessionsDep = Annotated[Sessions, Depends(get_sessions)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
KotaDep = Annotated[KotaClient, Depends(get_kota)]
BellDep = Annotated[Bell, Depends(get_bell)]
KeyringDep = Annotated[Keyring, Depends(get_keyring)]
LookupKeyDep = Annotated[bytes, Depends(get_lookup_key)]
NowDep = Annotated[datetime, Depends(get_now)]
RequestIdDep = Annotated[str, Depends(get_request_id)]
