import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.doctor import Finding, State, examine
from tests.databases import NewDatabase
from tests.support.app import NOWHERE, Host, RunningSandbox, running_sandbox, settings_for

DELIVERED_TO = "https://benefits.host.test/webhooks/kota"

ServeJWKS = Callable[[int, bytes], Any]


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox(webhook_url=DELIVERED_TO) as running:
        yield running


@pytest.fixture
async def serve_jwks() -> AsyncIterator[ServeJWKS]:
    """Serves one answer to everything; its URL."""
    servers: list[asyncio.Server] = []

    async def serve(status: int, body: bytes) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status} It\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"

    yield serve
    for server in servers:
        server.close()
        await server.wait_closed()


async def _examined(
    database_url: str, *, webhook_url: str | None = None, host: Host | None = None, **changes: Any
) -> dict[str, Finding]:
    settings = settings_for(database_url, host=host or Host(), **changes)
    return {finding.check: finding for finding in await examine(settings, webhook_url=webhook_url)}


async def test_all_is_well_with_a_migrated_database_and_a_kota_that_knows_us(
    database_url: str, sandbox: RunningSandbox, serve_jwks: ServeJWKS
) -> None:
    host = Host()
    public_key = host.key.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    keys = [json.loads(ECAlgorithm.to_jwk(public_key)) | {"kid": "1"}]
    url = await serve_jwks(200, json.dumps({"keys": keys}).encode())

    found = await _examined(
        database_url,
        webhook_url=DELIVERED_TO,
        host=host,
        kota_api_url=sandbox.url,
        database_direct_url=database_url,
        frontend_public_key=None,
        frontend_jwks_url=url,
    )

    assert {finding.state for finding in found.values()} == {State.OK}
    assert set(found) == {
        "settings",
        "database",
        "direct database",
        "revision",
        "clock",
        "Kota",
        "webhook endpoint",
        "frontend keys",
    }


async def test_a_database_that_was_never_migrated_is_a_fault_that_names_the_command(
    new_database: NewDatabase, sandbox: RunningSandbox
) -> None:
    found = await _examined(new_database(migrated=False), kota_api_url=sandbox.url)

    assert found["revision"].state is State.FAULT
    assert "kota-bff migrate" in found["revision"].advice


@pytest.mark.parametrize(("revision", "state"), [("0000", State.FAULT), ("9999", State.NOTE)])
async def test_an_older_revision_is_a_fault_and_a_newer_one_a_note(
    new_database: NewDatabase, sandbox: RunningSandbox, revision: str, state: State
) -> None:
    url = new_database()
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    await engine.dispose()

    found = await _examined(url, kota_api_url=sandbox.url)

    assert found["revision"].state is state
    assert revision in found["revision"].seen


async def test_a_refused_password_is_said_and_never_shown(database_url: str, sandbox: RunningSandbox) -> None:
    wrong = make_url(database_url).set(password="open-sesame").render_as_string(hide_password=False)

    found = await _examined(wrong, kota_api_url=sandbox.url)

    assert found["database"].state is State.FAULT
    assert "password authentication failed" in found["database"].seen
    assert "open-sesame" not in repr(found)


async def test_a_database_and_a_kota_that_do_not_answer_are_both_listed() -> None:
    found = await _examined("postgresql://nobody@127.0.0.1:1/nothing")

    assert found["database"].state is State.FAULT
    assert found["Kota"].state is State.FAULT
    assert "webhook endpoint" not in found


async def test_a_key_that_kota_refuses_is_our_fault(database_url: str, sandbox: RunningSandbox) -> None:
    found = await _examined(database_url, kota_api_url=sandbox.url, kota_api_key="pk_test_" + "another")

    assert found["Kota"].state is State.FAULT
    assert "KOTA_API_KEY" in found["Kota"].advice


async def test_an_address_that_is_not_kotas_is_told_from_an_outage(database_url: str, sandbox: RunningSandbox) -> None:
    found = await _examined(database_url, kota_api_url=f"{sandbox.url}/elsewhere")

    assert found["Kota"].state is State.FAULT
    assert "KOTA_API_URL" in found["Kota"].advice


async def test_an_endpoint_with_our_path_will_do_while_nobody_says_our_address(
    database_url: str, sandbox: RunningSandbox
) -> None:
    found = await _examined(database_url, kota_api_url=sandbox.url)

    assert found["webhook endpoint"].state is State.OK
    assert DELIVERED_TO in found["webhook endpoint"].seen


async def test_an_endpoint_that_kota_does_not_know_is_noted_with_what_to_ask_for(
    database_url: str, sandbox: RunningSandbox
) -> None:
    ours = "https://new.host.test/webhooks/kota"

    found = await _examined(database_url, webhook_url=ours, kota_api_url=sandbox.url)

    assert found["webhook endpoint"].state is State.NOTE
    assert DELIVERED_TO in found["webhook endpoint"].seen
    assert ours in found["webhook endpoint"].advice


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"<html>"), (200, b'{"keys": []}')])
async def test_a_jwks_without_keys_is_a_fault(
    database_url: str, sandbox: RunningSandbox, serve_jwks: ServeJWKS, status: int, body: bytes
) -> None:
    url = await serve_jwks(status, body)

    found = await _examined(database_url, kota_api_url=sandbox.url, frontend_public_key=None, frontend_jwks_url=url)

    assert found["frontend keys"].state is State.FAULT


async def test_a_jwks_that_does_not_answer_is_a_fault(database_url: str, sandbox: RunningSandbox) -> None:
    found = await _examined(
        database_url, kota_api_url=sandbox.url, frontend_public_key=None, frontend_jwks_url=f"{NOWHERE}/jwks.json"
    )

    assert found["frontend keys"].state is State.FAULT


async def test_what_is_not_set_is_noted(database_url: str, sandbox: RunningSandbox) -> None:
    found = await _examined(
        database_url,
        kota_api_url=sandbox.url,
        frontend_public_key=None,
        service_keys=(),
        kota_webhook_secrets=(),
        restored=True,
    )

    noted = {check for check, finding in found.items() if finding.state is State.NOTE}
    assert noted == {"frontend keys", "service keys", "webhook secret", "restored"}
    assert all(finding.advice for finding in found.values() if finding.state is not State.OK)
