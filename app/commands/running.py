"""How a command reaches the database and Kota. Heavy imports wait until it does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

import typer

from app.errors import AppError, NotFound

if TYPE_CHECKING:
    from app.services import Services


Result = TypeVar("Result")


def run(work: "Callable[[Services], Awaitable[Result]]", *, name: str, subject: str | None = None) -> Result:
    """Do the work with what the environment configures; `name` is shown beside its database connections.

    An `AppError` ends the command with a plain sentence and exit code 1. Where an argument names the `subject`, such as
    `event evt_1`, it is a wrong argument like any other: exit code 2.
    """
    from app.ops.logging import configure_logging
    from app.services import open_services
    from app.settings import load_settings

    async def main() -> Result:
        settings = load_settings()
        configure_logging(level="error", fmt="console")
        async with AsyncExitStack() as stack:
            return await work(await open_services(stack, settings, application_name=name))

    try:
        return asyncio.run(main())
    except AppError as error:
        if subject is None:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        missing = isinstance(error, NotFound)
        raise typer.BadParameter(f"there is no {subject}" if missing else f"{subject}: {error}") from None
