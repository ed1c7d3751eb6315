import asyncio

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from app.cli import app
from app.models import AuditEntry, OutboxMessage, OutboxState
from app.outbox.messages import MessageType, tell_host
from tests.databases import NewDatabase
from tests.integration.stack import open_stack
from tests.support.environment import set_environment


@pytest.fixture
def environment(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> str:
    return set_environment(monkeypatch, new_database())


async def run(*arguments: str) -> Result:
    # A command runs a loop of its own, which it cannot do inside of this one.
    return await asyncio.to_thread(CliRunner().invoke, app, ["outbox", *arguments])


async def tell(url: str, *objects: str, state: OutboxState = OutboxState.DEAD) -> None:
    async with open_stack(url) as stack, stack.sessions.begin() as session:
        for object_ in objects:
            await tell_host(session, MessageType.SYNC_REJECTED, object=object_, content={})
            await session.execute(
                update(OutboxMessage)
                .where(OutboxMessage.object == object_)
                .values(state=state, next_attempt_at=None, error_code="status_500")
            )


async def test_messages_are_listed_and_told_again(environment: str) -> None:
    await tell(environment, "notification/1", "notification/2", "notification/3")
    await tell(environment, "notification/4", state=OutboxState.DELIVERED)
    listed = await run("list", "--state", "dead")
    assert listed.exit_code == 0, listed.output
    assert "3 of 3 messages" in listed.stdout
    assert "status_500" in listed.stdout
    assert "pending" in (await run("replay", "notification/1")).stdout
    assert "2 messages will be told again" in (await run("replay", "--state", "dead")).stdout
    assert "0 of 0 messages" in (await run("list", "--state", "dead")).stdout
    assert "4 of 4 messages" in (await run("list")).stdout
    async with open_stack(environment) as stack, stack.sessions() as session:
        trail = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [(entry.actor, entry.action, entry.subject) for entry in trail] == [
        ("cli", "outbox.replay", "message:notification/1"),
        ("cli", "outbox.replay", "messages:state=dead"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "notification/9"),
        ("replay", "notification/4"),
        ("replay", "notification/1", "--state", "dead"),
        ("replay", "--state", "pending"),
        ("list", "--state", "lost"),
    ],
)
async def test_wrong_use_is_said_plainly(environment: str, arguments: tuple[str, ...]) -> None:
    await tell(environment, "notification/4", state=OutboxState.DELIVERED)
    result = await run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


async def test_message_that_cannot_be_told_again_is_named(environment: str) -> None:
    await tell(environment, "notification/4", state=OutboxState.DELIVERED)
    assert "there is no message notification/9" in (await run("replay", "notification/9")).output
    taken = await run("replay", "notification/4")
    assert "The host has taken" in taken.output
