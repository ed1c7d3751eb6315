"""`kota-bff import` and `kota-bff sync`: employers and employees, beside HTTP."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.running import run

if TYPE_CHECKING:
    from app.services import Services

sync = typer.Typer(no_args_is_help=True, help="Records and Kota.")


class ImportKind(StrEnum):
    """What can be imported."""

    EMPLOYERS = "employers"
    EMPLOYEES = "employees"


@sync.callback()
def _sync() -> None:
    """Makes `audit` a command of its own."""


def import_records(
    kind: Annotated[ImportKind, typer.Argument(help="What the file holds")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header, or NDJSON")],
    *,
    url: Annotated[str, typer.Option(envvar="KOTA_BFF_URL", help="Of the service")] = "http://127.0.0.1:8000",
    service_key: Annotated[str, typer.Option(envvar="SERVICE_KEY", help="A key with the scope sync")],
    refused: Annotated[Path | None, typer.Option(help="Where the refused lines go; FILE.refused.ndjson")] = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait for Kota without any progress")] = 300,
) -> None:
    """Bring a file of employers or employees to Kota. Sent again, it goes on where it stopped."""
    import httpx
    from rich.progress import Progress as Bar

    from app.commands.import_files import KindText, UnreadableFile
    from app.commands.importing import ImportFailed, Progress, import_file, write_refused

    headers = {"Authorization": f"Bearer {service_key}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=600) as http, Bar(transient=True) as bar:
            task = bar.add_task(f"Importing {kind.value}", total=None)

            def tell(done: Progress) -> None:
                bar.update(task, total=done.total, completed=done.total - done.pending)

            one: KindText = "employer" if kind is ImportKind.EMPLOYERS else "employee"
            done = import_file(file, one, http=http, poll_every=0.5, patience=patience, tell=tell)
    except (UnreadableFile, ImportFailed) as error:
        typer.echo(f"The import failed: {error}", err=True)
        raise typer.Exit(1) from None
    counts = ("total", "synced", "unchanged", "skipped", "rejected", "pending")
    typer.echo(", ".join(f"{getattr(done, name)} {name}" for name in counts))
    if done.refused:
        target = refused or file.with_name(f"{file.name}.refused.ndjson")
        write_refused(target, done)
        typer.echo(f"Refused lines and why: {target}", err=True)
    if done.rejected or done.pending:
        raise typer.Exit(1)


@sync.command()
def audit(*, repair: Annotated[bool, typer.Option("--repair", help="Bind and re-read what can be")] = False) -> None:
    """Compare our records with Kota's lists: missing there, unknown here, duplicated, status differing.

    Exit code 1 if anything still differs afterwards.
    """
    from app.audit.trail import record_command
    from app.kota import KotaError
    from app.sync import drift

    async def work(services: "Services") -> drift.Report:
        if repair:
            async with services.sessions.begin() as session:
                await record_command(session, action="sync.repair", subject="records")
        return await drift.audit(services.sessions, services.kota, repair=repair)

    try:
        report = run(work, name="kota-bff audit")
    except KotaError as error:
        typer.echo(f"Kota's lists could not be read: {error}", err=True)
        raise typer.Exit(1) from None
    for found in report.findings:
        ids = " ".join(found.kota_ids)
        typer.echo(f"{found.drift} {found.kind} {found.ref or '-'} {ids}{' (repaired)' if found.repaired else ''}")
    typer.echo(
        f"{report.employers} employers and {report.employees} employees at Kota, {report.open} open differences."
    )
    if report.open:
        raise typer.Exit(1)
