"""What a copy of the database has of a session: who had it, and nothing with which it could be opened."""

import base64
import binascii
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from app.db.encryption import Keyring, Undecryptable
from app.db.engine import asyncpg_dsn
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, register, store
from tests.support.app import Host, RunningApp, running_app, running_sandbox, settings_for

pytestmark = pytest.mark.threat(13)


@pytest.fixture
async def app(new_database: NewDatabase, host: Host) -> AsyncIterator[RunningApp]:
    async with running_sandbox() as sandbox:
        settings = settings_for(new_database(), host=host, kota_api_url=sandbox.url)
        async with running_app(settings) as running:
            employer, employee = await register(sandbox)
            await store(running, employer_row(kota_id=employer), employee_row(kota_id=employee))
            yield running


async def open_every_kind(app: RunningApp, host: Host) -> list[str]:
    """What was handed out: an employer's and an employee's token, a backend's, and a link."""
    person = host.bearer(employee="mary")
    vouched = {"audience": "employee", "employer_ref": "acme", "employee_ref": "mary"}
    answers = [
        await app.http.post("/sessions", json={"audience": "employer"}, headers=person),
        await app.http.post("/sessions", json={"audience": "employee"}, headers=person),
        await app.http.post(
            "/internal/sessions", json={"audience": "employer", "employer_ref": "acme"}, headers=host.service
        ),
        await app.http.post("/internal/sessions", json=vouched, headers=host.service),
        await app.http.post("/sessions/hosted", headers=person),
    ]
    assert [answer.status_code for answer in answers] == [201] * 5
    *opened, link = (answer.json() for answer in answers)
    return [*(body["token"] for body in opened), link["link"], link["link"].rpartition("/")[2]]


async def everything_in(app: RunningApp) -> dict[str, list[Any]]:
    """Every value of every column of every table, by `schema.table.column`."""
    connection = await asyncpg.connect(asyncpg_dsn(app.settings.direct_url))
    try:
        tables = await connection.fetch(
            "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
        )
        found: dict[str, list[Any]] = {}
        for table in tables:
            for row in await connection.fetch(f"SELECT * FROM {table['name']}"):  # noqa: S608 - quoted by the server
                for column, value in row.items():
                    found.setdefault(f"{table['name']}.{column}", []).append(value)
        return found
    finally:
        await connection.close()


def readings(value: Any, keyring: Keyring) -> Iterator[bytes]:
    """The bytes of a value, and what is inside if it is encrypted."""
    yield value if isinstance(value, bytes) else str(value).encode()
    if isinstance(value, bytes):
        with suppress(Undecryptable, binascii.Error):
            yield keyring.decrypt(value)


def spellings(secret: str) -> list[bytes]:
    raw = secret.encode()
    # In base64 the same text has three forms, by where it stands; its middle is in one of them.
    shifted = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, raw.hex().encode(), *shifted]


def columns_with(wanted: list[bytes], held: dict[str, list[Any]], app: RunningApp) -> set[str]:
    keyring = app.app.state.services.keyring
    return {
        column
        for column, values in held.items()
        for value in values
        for text in readings(value, keyring)
        if any(spelling in text for spelling in wanted)
    }


async def test_no_column_of_any_table_holds_a_token_or_a_link(app: RunningApp, host: Host) -> None:
    secrets = await open_every_kind(app, host)
    held = await everything_in(app)

    assert len(held["public.session_grants.subject"]) == 5
    wanted = [spelling for secret in secrets for spelling in spellings(secret)]
    assert columns_with(wanted, held, app) == set()


async def test_search_would_find_a_token_that_was_kept(app: RunningApp, host: Host) -> None:
    """Else the test above could not fail."""
    (token, *_) = await open_every_kind(app, host)
    sessions = app.app.state.services.sessions
    async with sessions.begin() as session:
        session.add(employee_row("kept", desired={"note": f"said {token}"}))
    held = await everything_in(app)

    assert columns_with(spellings(token), held, app) == {"public.employees.desired"}
