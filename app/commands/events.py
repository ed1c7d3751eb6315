"""`kota-bff events`: look at Kota's events and have them processed again. Heavy imports wait for the command."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.running import run

if TYPE_CHECKING:
    from app.events.inbox import Selection
    from app.models.kota_event import KotaEvent
    from app.services import Services

app = typer.Typer(help="Kota's events: look at them, and process them again.", no_args_is_help=True)

NAME = "kota-bff events"
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"]
State = Annotated[str | None, typer.Option(help="pending, processed, ignored or dead")]
Type = Annotated[str | None, typer.Option("--type", help="Such as employee.updated")]
From = Annotated[datetime | None, typer.Option("--from", formats=FORMATS, help="Received then (UTC) or later")]
Until = Annotated[datetime | None, typer.Option("--until", formats=FORMATS, help="Received before then (UTC)")]


@app.command("list")
def list_(
    state: State = None,
    type_: Type = None,
    received_from: From = None,
    received_until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 50,
) -> None:
    """List events, newest first."""
    from app.events.inbox import count_events, list_events

    selection = _selection(state, type_, received_from, received_until)

    async def work(services: "Services") -> None:
        async with services.sessions.begin() as session:
            events = await list_events(session, selection, before=None, limit=limit)
            total = await count_events(session, selection)
        _print(events)
        typer.echo(f"{len(events)} of {total} events")

    run(work, name=NAME)


@app.command()
def show(event_id: Annotated[str, typer.Argument(help="Kota's id, evt_…")]) -> None:
    """Show an event, without its body."""
    from app.events.inbox import get_event

    async def work(services: "Services") -> None:
        async with services.sessions.begin() as session:
            _print([await get_event(session, event_id)])

    run(work, name=NAME, subject=f"event {event_id}")


@app.command()
def replay(
    event_id: Annotated[str | None, typer.Argument(help="Kota's id; or choose by the options")] = None,
    state: State = None,
    type_: Type = None,
    received_from: From = None,
    received_until: Until = None,
) -> None:
    """Process events again, whatever became of them."""
    from app.audit.trail import record_command
    from app.events.inbox import Selection, replay_event, replay_events

    selection = _selection(state, type_, received_from, received_until)
    if (event_id is None) == (selection == Selection()):
        raise typer.BadParameter("give an id, or at least one of --state, --type, --from, --until")

    async def work(services: "Services") -> None:
        subject = selection.name() if event_id is None else f"event:{event_id}"
        async with services.sessions.begin() as session:
            await record_command(session, action="event.replay", subject=subject)
        if event_id is None:
            typer.echo(f"{await replay_events(services.sessions, selection)} events will be processed again")
            return
        async with services.sessions.begin() as session:
            _print([await replay_event(session, event_id)])

    run(work, name=NAME, subject=event_id and f"event {event_id}")


@app.command()
def reconcile(
    since: Annotated[
        datetime | None, typer.Option(formats=FORMATS, help="Begin then (UTC) at the latest; at most 30 days ago")
    ] = None,
) -> None:
    """Read Kota's own list of events now, and store what no delivery brought."""
    from app.events.reconcile import Reconciler
    from app.kota import KotaError

    begin = _utc(since)
    if begin is not None and begin > datetime.now(UTC):
        raise typer.BadParameter("--since lies in the future")

    async def work(services: "Services") -> None:
        reconciler = Reconciler(
            services.engine,
            services.sessions,
            services.kota,
            services.keyring,
            services.settings.kota_events_version,
            clock=lambda: datetime.now(UTC),
        )
        typer.echo(f"{await reconciler.run(since=begin)} events were missing")

    try:
        run(work, name=NAME)
    except KotaError as error:
        # What was read before is stored, and the next run begins there.
        typer.echo(f"Kota's list of events could not be read: {error}", err=True)
        raise typer.Exit(1) from None


def _selection(
    state: str | None, type_: str | None, received_from: datetime | None, received_until: datetime | None
) -> "Selection":
    from app.events.inbox import Selection
    from app.models.kota_event import EventState

    try:
        wanted = EventState(state) if state else None
    except ValueError:
        raise typer.BadParameter(f"--state is one of {', '.join(EventState)}") from None
    return Selection(wanted, type_, _utc(received_from), _utc(received_until))


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=value.tzinfo or UTC) if value else None


def _print(events: "Any") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "type", "version", "state", "deliveries", "attempts", "received", "processed", "last error")
    for event in events:
        table.add_row(*_cells(event))
    Console(width=200, soft_wrap=True).print(table)


def _cells(event: "KotaEvent") -> list[str]:
    times = [value.isoformat(timespec="seconds") if value else "" for value in (event.received_at, event.processed_at)]
    numbers = [str(event.deliveries), str(event.attempts)]
    return [event.id, event.type, event.version, event.state.value, *numbers, *times, event.error_code or ""]
