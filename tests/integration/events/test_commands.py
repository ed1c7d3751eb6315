import asyncio

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.databases import NewDatabase
from tests.integration.stack import Stack, open_stack
from tests.support.environment import set_environment


@pytest.fixture
def environment(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> str:
    return set_environment(monkeypatch, new_database())


async def run(*arguments: str) -> Result:
    # A command runs a loop of its own, which it cannot do inside of this one.
    return await asyncio.to_thread(CliRunner().invoke, app, ["events", *arguments])


async def store(url: str, *ids: str) -> None:
    async with open_stack(url) as stack:
        await stack.deliver(*({"id": id_, "type": "no.such.type"} for id_ in ids))
        await processed(stack)


async def processed(stack: Stack) -> None:
    await stack.process()


async def test_events_are_listed_shown_and_replayed(environment: str) -> None:
    await store(environment, "evt_1", "evt_2")
    listed = await run("list", "--state", "ignored")
    assert listed.exit_code == 0, listed.output
    assert "2 of 2 events" in listed.stdout
    assert "evt_1" in (await run("show", "evt_1")).stdout
    assert "pending" in (await run("replay", "evt_1")).stdout
    assert "1 events will be processed again" in (await run("replay", "--state", "ignored")).stdout
    assert "0 of 0 events" in (await run("list", "--type", "other", "--from", "2026-01-01")).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "evt_none"),
        ("replay", "evt_none"),
        ("replay",),
        ("replay", "evt_1", "--state", "dead"),
        ("list", "--state", "lost"),
        ("list", "--from", "yesterday"),
        ("reconcile", "--since", "2926-03-01"),
    ],
)
async def test_wrong_use_is_said_plainly(environment: str, arguments: tuple[str, ...]) -> None:
    assert environment
    result = await run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


async def test_event_that_is_not_there_is_named(environment: str) -> None:
    assert environment
    assert "there is no event evt_none" in (await run("show", "evt_none")).output


async def test_kota_that_does_not_answer_is_said_plainly(environment: str) -> None:
    assert environment
    result = await run("reconcile")
    assert result.exit_code == 1
    assert "could not be read" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
