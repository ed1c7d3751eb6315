"""The commands. What is heavy is imported by the command that needs it, so that `--help` answers at once."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.commands.dead_letters import app as dead_letters
from app.commands.events import app as events
from app.commands.keys import keys
from app.commands.outbox import app as outbox
from app.commands.records import import_records, sync
from app.commands.reports import reports

app = typer.Typer(name="kota-bff", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(keys, name="keys")
app.add_typer(events, name="events")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(outbox, name="outbox")
app.add_typer(reports, name="reports")
app.add_typer(sync, name="sync")
app.command("import")(import_records)


def main() -> None:
    """Run a command; a bad configuration is said plainly, without a traceback."""
    from app.settings import BadConfiguration

    try:
        app()
    except BadConfiguration as error:
        typer.echo(f"The configuration is not valid:\n{error}", err=True)
        sys.exit(78)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on", envvar="PORT")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes", min=1)] = 1,
    only: Annotated[str | None, typer.Option(help="public or internal: the other routes do not exist")] = None,
) -> None:
    """Run the HTTP API."""
    if only is not None:
        # The processes of several workers read their settings anew.
        os.environ["SERVE_ONLY"] = only
    _serve("app.main:create_served_app", host=host, port=port, workers=workers)


@app.command("dev-api", hidden=True)
def dev_api(
    host: Annotated[str, typer.Option(help="Address to listen on")],
    port: Annotated[int, typer.Option(help="Port to listen on")],
) -> None:
    """Run the HTTP API with the demo host at /demo, for `dev` alone."""
    _serve("app.dev.demo.application:create_demo_app", host=host, port=port, workers=1)


def _serve(factory: str, *, host: str, port: int, workers: int) -> None:
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from app.ops.logging import configure_logging
    from app.ops.processes import counted_together
    from app.settings import load_settings
    from app.web.held_port import HeldPort
    from app.web.protocol import SERVER_OPTIONS

    # Said here once, instead of by every worker process.
    settings = load_settings()
    grace = int(settings.shutdown_grace.total_seconds())
    options = {"factory": True, "host": host, "port": port, "timeout_graceful_shutdown": grace, **SERVER_OPTIONS}
    if workers == 1:
        uvicorn.run(factory, **options)
        return
    # What becomes of its processes is said by this one.
    configure_logging(level=settings.log_level, fmt=settings.log_format)
    config = uvicorn.Config(factory, workers=workers, **options)
    # It ends here if the port is taken, even by another `serve`, which would share it.
    supervisor = Multiprocess(config, sockets=[HeldPort.of(config.bind_socket())])
    with counted_together():
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        # uvicorn's own command would call that a success, and nobody would try again.
        sys.exit(STARTUP_FAILURE)


@app.command()
def worker() -> None:
    """Bring records to Kota, process its events, and do everything else that is not a request."""
    from uvicorn.loops.auto import auto_loop_factory

    from app.ops.processes import collect_less
    from app.settings import load_settings
    from app.worker import run_worker

    collect_less()
    # uvloop where there is one, as uvicorn chooses for the API: a worker is all input and output as well.
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(run_worker(load_settings()))


@app.command()
def doors() -> None:
    """List every route and who may use it, as in docs/doors.md."""
    from app.auth.doors import doors_of, table_of
    from app.main import ROUTERS

    typer.echo(table_of(doors_of(ROUTERS)), nl=False)


@app.command()
def migrate() -> None:
    """Bring the database to the revision that this version needs."""
    from app.db import migrate as migrations
    from app.settings import load_settings

    settings = load_settings()
    asyncio.run(migrations.upgrade(settings.direct_url))
    typer.echo(f"The database is at revision {migrations.head()}.")


@app.command()
def sandbox(
    *,
    port: Annotated[int | None, typer.Option(help="Port to listen on")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    api_key: Annotated[list[str] | None, typer.Option(help="A key that is accepted; may be given again")] = None,
    platform_type: Annotated[str | None, typer.Option(help="payroll_provider or employer_of_record")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Where events are delivered")] = None,
    webhook_secret: Annotated[list[str] | None, typer.Option(help="Signs deliveries; may be given again")] = None,
    webhook_version: Annotated[list[str] | None, typer.Option(help="v1, v2 or, given twice, both")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Keeps what happened; in memory without it")] = None,
    latency_ms: Annotated[float | None, typer.Option(help="How long every answer takes")] = None,
    activation_delay: Annotated[float | None, typer.Option(help="Seconds from pending to active")] = None,
    list_lag: Annotated[float | None, typer.Option(help="Seconds by which lists are behind")] = None,
    retry_scale: Annotated[float | None, typer.Option(help="Times Kota's nine attempts over three days")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random decision")] = None,
    kind: Annotated[bool | None, typer.Option("--kind", help="Without lag, noise, duplicates and disorder")] = None,
) -> None:
    """Run a local Kota. Every option, and more of them, is also a variable: SANDBOX_PORT and so on."""
    from pydantic import ValidationError

    from app.sandbox.server import run
    from app.sandbox.settings import SandboxSettings

    given = {
        "port": port,
        "host": host,
        "api_keys": api_key or None,
        "platform_type": platform_type,
        "webhook_url": webhook_url,
        "webhook_secrets": webhook_secret or None,
        "webhook_versions": webhook_version or None,
        "data_dir": data_dir,
        "latency_ms": latency_ms,
        "activation_delay": activation_delay,
        "list_lag": list_lag,
        "retry_scale": retry_scale,
        "seed": seed,
        "kind": kind,
    }
    try:
        # What was not given is left to the environment.
        settings = SandboxSettings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        typer.echo(f"The configuration is not valid:\n{error}", err=True)
        raise typer.Exit(78) from None
    run(settings)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the API")] = 8000,
    sandbox_port: Annotated[int, typer.Option(help="Port of the Kota sandbox")] = 8001,
    data_dir: Annotated[Path, typer.Option(help="Where all data is kept")] = Path(".kota-bff"),
) -> None:
    """Run everything here: PostgreSQL, migrations, the Kota sandbox, the API and the worker."""
    from rich.console import Console

    from app.dev.stack import StackOptions, run_stack

    options = StackOptions(port=port, sandbox_port=sandbox_port, data_dir=data_dir)
    raise typer.Exit(run_stack(options, console=Console(highlight=False)))


class Audience(StrEnum):
    """Whose part of Kota's embed a token may open."""

    EMPLOYER = "employer"
    EMPLOYEE = "employee"


@app.command()
def token(
    *,
    employer: Annotated[str, typer.Option(help="The host's own reference of the employer")],
    audience: Annotated[list[Audience], typer.Option(help="What may be opened; may be given again")],
    employee: Annotated[str | None, typer.Option(help="The host's own reference of the employee")] = None,
    external_customer: Annotated[str | None, typer.Option(help="For employers of record: the customer")] = None,
    subject: Annotated[str, typer.Option(help="Who is signed in")] = "dev-user",
    minutes: Annotated[int, typer.Option(help="How long it is valid", min=1)] = 60,
) -> None:
    """Print a frontend's JWT, signed with the development key of `kota-bff dev`."""
    from app.dev.tokens import NoSigningKey, sign_frontend_token
    from app.settings import load_settings

    try:
        signed = sign_frontend_token(
            load_settings(),
            employer=employer,
            employee=employee,
            audiences=[item.value for item in audience],
            external_customer=external_customer,
            subject=subject,
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=minutes),
        )
    except NoSigningKey as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(signed)


@app.command()
def new_env() -> None:
    """Print a first .env for docker-compose.yml, with new secrets."""
    from app.dev.new_env import new_env as made

    typer.echo(made())


@app.command()
def doctor(
    webhook_url: Annotated[str | None, typer.Option(help="What Kota should deliver to, as the world sees it")] = None,
) -> None:
    """Check settings, database, Kota, frontend keys and the clock; exit 1 on a fault. It changes nothing."""
    from rich.console import Console

    from app.doctor import run_doctor

    raise typer.Exit(run_doctor(Console(), webhook_url=webhook_url))


if __name__ == "__main__":
    main()
