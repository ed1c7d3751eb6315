"""`kota-bff keys`: the service keys of the host's backends, and the keys of encryption."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.auth.scopes import ALL_SCOPES, Scope
from app.commands.running import run

if TYPE_CHECKING:
    from datetime import datetime

    from app.services import Services

NAME = "kota-bff keys"

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

    async def work(services: "Services") -> str:
        async with services.sessions.begin() as session:
            key = await create_key(session, name, scopes=ALL_SCOPES if every_scope else scope or ())
            await record_command(session, action="service_key.create", subject=f"service_key:{name}")
            return key

    typer.echo(run(work, name=NAME))


@keys.command("list")
def list_() -> None:
    """Show the service keys of the database. Those of SERVICE_KEYS are not among them."""
    from rich.console import Console
    from rich.table import Table

    from app.auth.key_store import list_keys

    async def work(services: "Services") -> Table:
        table = Table("name", "scopes", "created", "last used", "revoked")
        async with services.sessions.begin() as session:
            for key in await list_keys(session):
                moments = (key.created_at, key.last_used_at, key.revoked_at)
                table.add_row(key.name, ",".join(key.scopes), *map(_minute, moments))
        return table

    Console(soft_wrap=True).print(run(work, name=NAME))


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="The key that shall open nothing any more")]) -> None:
    """Revoke a service key, at once and for good."""
    from app.audit.trail import record_command
    from app.auth.key_store import revoke_key

    async def work(services: "Services") -> None:
        async with services.sessions.begin() as session:
            await revoke_key(session, name)
            await record_command(session, action="service_key.revoke", subject=f"service_key:{name}")

    run(work, name=NAME)
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
    from app.db.rotation import Rotation, rotate

    async def work(services: "Services") -> list[Rotation]:
        return await rotate(services.sessions, services.keyring)

    left = 0
    for column in run(work, name=NAME):
        typer.echo(f"{column.column}: {column.rotated} rotated, {column.left} left")
        left += column.left
    if left:
        typer.echo("A process still writes under an older key: restart it with the new one first, then run this again.")
        raise typer.Exit(1)
    typer.echo("Nothing is left under an older key.")


def _minute(at: "datetime | None") -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"
