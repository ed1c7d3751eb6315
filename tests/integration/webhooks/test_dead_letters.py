import asyncio
import os
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from app.cli import app
from app.db.encryption import Keyring
from app.models import AuditEntry, DeadLetter
from app.webhooks.dead_letters import bury
from tests.databases import NewDatabase
from tests.integration.stack import LOOKUP_KEY, Stack, open_stack
from tests.support.environment import set_environment

BODY = b'\xff{"id": 5}\x00'


@pytest.fixture
def environment(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> str:
    return set_environment(monkeypatch, new_database())


async def run(*arguments: str) -> Result:
    # A command runs a loop of its own, which it cannot do inside of this one.
    return await asyncio.to_thread(CliRunner().invoke, app, ["dead-letters", *arguments])


async def kept(stack: Stack) -> DeadLetter:
    async with stack.sessions.begin() as session:
        for _ in range(2):
            # Under the key that the command will have.
            await bury(
                session,
                BODY,
                reason="not_json",
                keyring=Keyring([os.environ["ENCRYPTION_KEYS"]]),
                lookup_key=LOOKUP_KEY,
            )
        return (await session.scalars(select(DeadLetter))).one()


async def test_dead_letter_is_listed_and_shown_byte_for_byte(environment: str) -> None:
    async with open_stack(environment) as stack:
        letter = await kept(stack)
    listed = await run("list")
    assert listed.exit_code == 0, listed.output
    assert all(text in listed.stdout for text in (str(letter.id), "not_json", "1 of 1 dead letters"))
    assert (await run("show", str(letter.id))).stdout_bytes == BODY
    async with open_stack(environment) as stack, stack.sessions() as session:
        [entry] = await session.scalars(select(AuditEntry))
    assert (entry.actor, entry.action, entry.subject) == ("cli", "dead_letter.read", f"dead_letter:{letter.id}")


async def test_what_cannot_be_shown_is_said_plainly(environment: str) -> None:
    assert (await run("show", "5")).exit_code == 2
    assert (await run("show", str(uuid4()))).exit_code == 2
    async with open_stack(environment) as stack:
        letter = await kept(stack)
        async with stack.sessions.begin() as session:
            await session.execute(update(DeadLetter).values(body=b"lost" + letter.body[4:]))
    result = await run("show", str(letter.id))
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert "cannot be decrypted" in result.stderr
