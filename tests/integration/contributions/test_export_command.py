import asyncio
import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.contributions.export import REPORTS_AT_ONCE, ids_of
from app.contributions.looking import look
from app.contributions.queries import Filter
from tests.integration.contributions.conftest import Payroll
from tests.integration.contributions.lines import line

MARCH = {"from_date": "2026-03-01", "to_date": "2026-03-31"}


@pytest.fixture
def environment(payroll: Payroll, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = payroll.app.settings
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("KOTA_API_URL", settings.kota_api_url)
    monkeypatch.setenv("KOTA_API_KEY", settings.kota_api_key.get_secret_value())
    monkeypatch.setenv("ENCRYPTION_KEYS", settings.encryption_keys[0].get_secret_value())
    monkeypatch.setenv("LOOKUP_KEY", settings.lookup_key.get_secret_value())


async def export(folder: Path, *more: str) -> tuple[int, str]:
    """What the command says. In a thread, since it runs a loop of its own."""
    arguments = ["reports", "export", "--employer", "acme", "--year", "2026", "--folder", str(folder), *more]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return result.exit_code, result.output


@pytest.mark.usefixtures("environment")
async def test_every_report_of_the_period_becomes_a_file(payroll: Payroll, tmp_path: Path) -> None:
    report = await payroll.open_report([line(10.5), line(-2.25, adjustment=True)], period=MARCH)
    code, said = await export(tmp_path / "out", "--month", "3")
    assert code == 0, said
    path = tmp_path / "out" / f"2026-03-{report}.csv"
    assert str(path) in said.replace("\n", "")
    with path.open(newline="") as file:
        assert sorted(row["amount"] for row in csv.DictReader(file)) == ["-2.25", "10.5"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.usefixtures("environment")
async def test_no_report_is_said_and_fails(payroll: Payroll, tmp_path: Path) -> None:
    await payroll.open_report(period=MARCH)
    code, said = await export(tmp_path, "--month", "4")
    assert (code, "There is no such report" in said) == (1, True)


async def test_more_reports_than_are_read_at_once_are_all_found(payroll: Payroll) -> None:
    opened = {await payroll.open_report(period=MARCH) for _ in range(REPORTS_AT_ONCE + 1)}
    acme = Filter(employer_ref="acme")
    await look(payroll.services, acme)
    found = await ids_of(payroll.services, acme)
    assert len(found) == len(opened)
    assert set(found) == opened
