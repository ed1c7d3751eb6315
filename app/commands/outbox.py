"""`kota-bff outbox`: what the host is told, and telling it again. Heavy imports wait for the command."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.running import run

if TYPE_CHECKING:
    from app.models.outbox_message import OutboxMessage, OutboxState
    from app.services import Services

app = typer.Typer(help="Messages to the host: look at them, and tell them again.", no_args_is_help=True)

NAME = "kota-bff outbox"


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="pending, delivered or dead")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 50,
) -> None:
    """List messages, by id."""
    from app.outbox.replay import count_messages, list_messages

    wanted = _state(state)

    async def work(services: "Services") -> None:
        async with services.sessions.begin() as session:
            messages = await list_messages(session, state=wanted, after=None, limit=limit)
            total = await count_messages(session, state=wanted)
        _print(messages)
        typer.echo(f"{len(messages)} of {total} messages")

    run(work, name=NAME)


@app.command()
def replay(
    id_: Annotated[
        str | None, typer.Argument(metavar="ID", help="Such as notification/…; or choose by --state")
    ] = None,
    state: Annotated[str | None, typer.Option(help="dead: all that were given up")] = None,
) -> None:
    """Tell the host again what it did not take, under the same id."""
    from app.audit.trail import record_command
    from app.outbox.replay import replay_dead, replay_message

    if (id_ is None) == (state is None) or state not in {None, "dead"}:
        raise typer.BadParameter("give an id, or --state dead")

    async def work(services: "Services") -> None:
        async with services.sessions.begin() as session:
            subject = "messages:state=dead" if id_ is None else f"message:{id_}"
            await record_command(session, action="outbox.replay", subject=subject)
            if id_ is not None:
                _print([await replay_message(session, id_)])
        if id_ is None:
            typer.echo(f"{await replay_dead(services.sessions)} messages will be told again")

    run(work, name=NAME, subject=id_ and f"message {id_}")


def _state(state: str | None) -> "OutboxState | None":
    from app.models.outbox_message import OutboxState

    try:
        return OutboxState(state) if state else None
    except ValueError:
        raise typer.BadParameter(f"--state is one of {', '.join(OutboxState)}") from None


def _print(messages: "Any") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "version", "type", "state", "attempts", "changed", "delivered", "last error")
    for message in messages:
        table.add_row(*_cells(message))
    Console(width=200, soft_wrap=True).print(table)


def _cells(message: "OutboxMessage") -> list[str]:
    changed, delivered = (
        time.isoformat(timespec="seconds") if time else "" for time in (message.changed_at, message.delivered_at)
    )
    numbers = str(message.version), str(message.attempts)
    return [
        message.object,
        numbers[0],
        message.type,
        message.state.value,
        numbers[1],
        changed,
        delivered,
        message.error_code or "",
    ]
