"""The commands. What is heavy is imported by the command that needs it, so that `--help` answers at once."""

import asyncio
import sys
from typing import Annotated

import typer

app = typer.Typer(name="kota-bff", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


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
) -> None:
    """Run the HTTP API."""
    import uvicorn

    from app.settings import load_settings

    # Said here once, instead of by every worker process.
    settings = load_settings()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=int(settings.shutdown_grace.total_seconds()),
        h11_max_incomplete_event_size=64 * 1024,
    )


@app.command()
def worker() -> None:
    """Bring records to Kota, process its events, and do everything else that is not a request."""
    from app.settings import load_settings
    from app.worker import run_worker

    asyncio.run(run_worker(load_settings()))


@app.command()
def migrate() -> None:
    """Bring the database to the revision that this version needs."""
    from app.db import migrate as migrations
    from app.settings import load_settings

    settings = load_settings()
    asyncio.run(migrations.upgrade(settings.direct_url))
    typer.echo(f"The database is at revision {migrations.head()}.")
