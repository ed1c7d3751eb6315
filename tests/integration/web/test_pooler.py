"""Where a transaction pooler stands before the database, and who goes around it."""

from contextlib import AsyncExitStack

from sqlalchemy import text

from app.services import Services, open_services
from app.settings import Settings
from tests.databases import NewDatabase
from tests.support.app import Host, settings_for


async def database_of(services: Services) -> str:
    async with services.sessions() as session:
        return str(await session.scalar(text("SELECT current_database()")))


async def databases(settings: Settings) -> list[str]:
    """What the API's requests reach, and what everybody else does."""
    found = []
    for through_pooler in (True, False):
        async with AsyncExitStack() as stack:
            services = await open_services(stack, settings, application_name="a process", through_pooler=through_pooler)
            found.append(await database_of(services))
    return found


async def test_requests_go_through_the_pooler_and_everything_else_around_it(
    new_database: NewDatabase, host: Host
) -> None:
    pooled, direct = new_database(), new_database()
    settings = settings_for(pooled, host=host, database_direct_url=direct)
    assert await databases(settings) == [pooled.rpartition("/")[2], direct.rpartition("/")[2]]


async def test_without_a_pooler_all_go_the_same_way(new_database: NewDatabase, host: Host) -> None:
    url = new_database()
    assert await databases(settings_for(url, host=host)) == [url.rpartition("/")[2]] * 2
