"""`kota-bff keys`, run as a person runs it."""

import asyncio
import hashlib

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from app.cli import app as cli
from tests.databases import NewDatabase
from tests.support.app import API_KEY, Host, RunningApp, running_app, settings_for


@pytest.fixture
def database(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> str:
    url = new_database()
    environment = {
        "DATABASE_URL": url,
        "KOTA_API_KEY": API_KEY,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "LOOKUP_KEY": "made-up-lookup-key-of-enough-characters",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return url


async def run(*arguments: str) -> Result:
    # In a thread, as the command starts an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, cli, ["keys", *arguments])


async def status(app: RunningApp, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return (await app.http.get("/internal/audit", headers=headers)).status_code


async def test_key_is_made_used_listed_and_revoked_without_a_restart(database: str, host: Host) -> None:
    async with running_app(settings_for(database, host=host)) as app:
        made = await run("create", "auditor", "--scope", "admin", "--scope", "sync")
        assert made.exit_code == 0, made.output
        key = made.output.strip()
        assert await status(app, key) == 200

        listed = await run("list")
        assert "auditor" in listed.output
        assert "admin,sync" in listed.output
        assert key not in listed.output
        assert hashlib.sha256(key.encode()).hexdigest() not in listed.output

        assert (await run("revoke", "auditor")).exit_code == 0
        assert await status(app, key) == 401
        trail = (await app.http.get("/internal/audit", headers=host.service)).json()["items"]

    assert [(item["actor"], item["action"], item["subject"]) for item in trail] == [
        ("cli", "service_key.revoke", "service_key:auditor"),
        ("cli", "service_key.create", "service_key:auditor"),
    ]


@pytest.mark.usefixtures("database")
async def test_mistakes_are_said_plainly() -> None:
    assert (await run("create", "payroll", "--every-scope")).exit_code == 0
    for arguments in (
        ["create", "payroll", "--every-scope"],
        ["create", "no-scope"],
        ["create", "a name", "--scope", "sync"],
        ["revoke", "nobody"],
    ):
        ran = await run(*arguments)
        assert ran.exit_code == 1, ran.output
        assert "Traceback" not in ran.output
    assert ran.output == "There is no key named nobody in the database.\n"


@pytest.mark.usefixtures("database")
async def test_everything_is_brought_under_the_first_key() -> None:
    ran = await run("rotate-encryption")
    assert (ran.exit_code, ran.output.splitlines()[-1]) == (0, "Nothing is left under an older key.")


async def test_new_encryption_key_is_one() -> None:
    printed = await run("new-encryption-key")
    Fernet(printed.output.strip())
