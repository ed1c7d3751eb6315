"""`kota-bff keys`: the service keys of the host's backends, and the keys of encryption."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.auth.scopes import ALL_SCOPES, Scope

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.db.encryption import Keyring

T = TypeVar("T")

keys = typer.Typer(no_args_is_help=True, help="Service keys of the host's backends, and encryption keys.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the audit trail calls the key; never used twice")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it is good for; may be given again")] = None,
    *,
    every_scope: Annotated[bool, typer.Option("--every-scope", help="Good for everything")] = False,
) -> None:
    """Make a service key. It is printed this once; only its digest is kept."""
    from app.audit.trail import record_command
    from app.auth.key_store import create_key
    from app.db.engine import create_sessions

    async def work(engine: "AsyncEngine") -> str:
        async with create_sessions(engine).begin() as session:
            key = await create_key(session, name, scopes=ALL_SCOPES if every_scope else scope or ())
            await record_command(session, action="service_key.create", subject=f"service_key:{name}")
            return key

    typer.echo(_with_engine(work))


@keys.command("list")
def list_() -> None:
    """Show the service keys of the database. Those of SERVICE_KEYS are not among them."""
    from rich.console import Console
    from rich.table import Table

    from app.auth.key_store import list_keys
    from app.db.engine import create_sessions

    async def work(engine: "AsyncEngine") -> Table:
        table = Table("name", "scopes", "created", "last used", "revoked")
        async with create_sessions(engine).begin() as session:
            for key in await list_keys(session):
                moments = (key.created_at, key.last_used_at, key.revoked_at)
                table.add_row(key.name, ",".join(key.scopes), *map(_minute, moments))
        return table

    Console(soft_wrap=True).print(_with_engine(work))


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="The key that shall open nothing any more")]) -> None:
    """Revoke a service key, at once and for good."""
    from app.audit.trail import record_command
    from app.auth.key_store import revoke_key
    from app.db.engine import create_sessions

    async def work(engine: "AsyncEngine") -> None:
        async with create_sessions(engine).begin() as session:
            await revoke_key(session, name)
            await record_command(session, action="service_key.revoke", subject=f"service_key:{name}")

    _with_engine(work)
    typer.echo(f"{name} is revoked.")


@keys.command()
def new_encryption_key() -> None:
    """Print a new key for ENCRYPTION_KEYS.

    Add it at the end and restart everything, so that every process can read it; put it first and restart again, so that
    it is written with; then `rotate-encryption`, and take the old one away.
    """
    from cryptography.fernet import Fernet

    typer.echo(Fernet.generate_key().decode())


@keys.command()
def rotate_encryption() -> None:
    """Bring everything under the first of ENCRYPTION_KEYS, while the service runs. Started again, it goes on."""
    import app.models  # noqa: F401 - tables are known once they are imported
    from app.db.engine import create_sessions
    from app.db.rotation import Rotation, rotate

    async def work(engine: "AsyncEngine") -> list[Rotation]:
        return await rotate(create_sessions(engine), _keyring())

    left = 0
    for column in _with_engine(work):
        typer.echo(f"{column.column}: {column.rotated} rotated, {column.left} left")
        left += column.left
    if left:
        typer.echo("A process still writes under an older key: restart it with the new one first, then run this again.")
        raise typer.Exit(1)
    typer.echo("Nothing is left under an older key.")


def _keyring() -> "Keyring":
    from app.db.encryption import Keyring
    from app.settings import load_settings

    return Keyring([key.get_secret_value() for key in load_settings().encryption_keys])


def _with_engine(work: "Callable[[AsyncEngine], Awaitable[T]]") -> T:
    from app.db.engine import create_engine
    from app.errors import AppError
    from app.settings import load_settings

    settings = load_settings()
    keyring = _keyring()

    async def run() -> T:
        async with AsyncExitStack() as stack:
            engine = create_engine(settings.direct_url, keyring=keyring, application_name="kota-bff keys", pool_size=2)
            stack.push_async_callback(engine.dispose)
            return await work(engine)

    try:
        return asyncio.run(run())
    except AppError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _minute(at: "datetime | None") -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"
