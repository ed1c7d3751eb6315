"""`kota-bff dead-letters`: what Kota signed, but nobody can read as an event. Heavy imports wait for the command."""

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.commands.running import run

if TYPE_CHECKING:
    from app.services import Services

app = typer.Typer(help="Signed deliveries that are no events: look at them.", no_args_is_help=True)

NAME = "kota-bff dead-letters"


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 50) -> None:
    """List them without their bodies, newest first."""
    from rich.console import Console
    from rich.table import Table

    from app.webhooks.dead_letters import count_dead_letters, list_dead_letters

    async def work(services: "Services") -> None:
        async with services.sessions.begin() as session:
            letters = await list_dead_letters(session, limit=limit)
            total = await count_dead_letters(session)
        table = Table("id", "reason", "deliveries", "received")
        for letter in letters:
            received = letter.received_at.isoformat(timespec="seconds")
            table.add_row(str(letter.id), letter.reason, str(letter.deliveries), received)
        Console(width=200, soft_wrap=True).print(table)
        typer.echo(f"{len(letters)} of {total} dead letters")

    run(work, name=NAME)


@app.command()
def show(id_: Annotated[UUID, typer.Argument(metavar="ID", help="As listed")]) -> None:
    """Write a body as it was delivered. It may hold personal data; that it was read is on the audit trail."""
    from app.audit.trail import record_command
    from app.db.encryption import Undecryptable
    from app.webhooks.dead_letters import read_dead_letter

    async def work(services: "Services") -> bytes:
        async with services.sessions.begin() as session:
            await record_command(session, action="dead_letter.read", subject=f"dead_letter:{id_}")
            return await read_dead_letter(session, id_, keyring=services.keyring)

    try:
        body = run(work, name=NAME, subject=f"dead letter {id_}")
    except Undecryptable as error:
        typer.echo(f"It cannot be decrypted: {error}", err=True)
        raise typer.Exit(1) from None
    sys.stdout.buffer.write(body)
