"""`kota-bff reports`: payroll's files without HTTP."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

reports = typer.Typer(no_args_is_help=True, help="Contribution reports for payroll.")


@reports.callback()
def _reports() -> None:
    """Makes `export` a command of its own."""


@reports.command()
def export(
    employer: Annotated[str, typer.Option(help="The host's reference")],
    folder: Annotated[Path, typer.Option(help="Where the files go, one a report", file_okay=False)],
    year: Annotated[int, typer.Option(help="Of the period", min=2000, max=9998)],
    month: Annotated[int | None, typer.Option(help="Of the period; all of them without", min=1, max=12)] = None,
    status: Annotated[str | None, typer.Option(help="open or finalized; both without")] = None,
) -> None:
    """Write an employer's reports as CSV, read from Kota just now."""
    from app.contributions.export import export_reports
    from app.contributions.queries import Filter
    from app.settings import load_settings

    folder.mkdir(parents=True, exist_ok=True)
    wanted = Filter(employer_ref=employer, year=year, month=month, status=status)
    written = asyncio.run(export_reports(load_settings(), wanted, folder))
    for path in written:
        typer.echo(path)
    if not written:
        typer.echo("There is no such report.", err=True)
        raise typer.Exit(1)
