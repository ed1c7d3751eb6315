"""How a command reaches the database and Kota. Heavy imports wait until it does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from app.services import Services


Result = TypeVar("Result")


def run(work: "Callable[[Services], Awaitable[Result]]", *, name: str) -> Result:
    """Do the work with what the environment configures; `name` is shown beside its database connections."""
    from app.ops.logging import configure_logging
    from app.services import open_services
    from app.settings import load_settings

    async def main() -> Result:
        settings = load_settings()
        configure_logging(level="error", fmt="console")
        async with AsyncExitStack() as stack:
            return await work(await open_services(stack, settings, application_name=name))

    return asyncio.run(main())
