import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
import uvicorn
from fastapi import FastAPI

from app.ops.logging import LogFormat, configure_logging

SECRET = "made-up name"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root, before = logging.getLogger(), structlog.get_config()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What was logged since the last call, parsed line by line."""
    configure_logging(level="info", fmt="json")
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_event_is_one_line_of_json_with_its_level_and_time(lines: Lines) -> None:
    structlog.get_logger("app.sync").warning("sync.push.rejected", ref="e-1", text="two\nlines \u2028")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "sync.push.rejected", "ref": "e-1", "text": "two\nlines \u2028", "level": "warning"}


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("too.much")
    logging.getLogger("some.library").debug("too much")
    assert lines() == []


def test_context_of_a_request_is_on_every_line_of_ours_and_of_others(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger().info("ours")
    logging.getLogger("some.library").warning("theirs %s", "too")
    ours, theirs = lines()
    assert ours["request_id"] == theirs["request_id"] == "r-1"
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("theirs too", "some.library", "warning")


@pytest.mark.threat(13)
@pytest.mark.parametrize("pass_error", [True, False], ids=["passed", "being handled"])
def test_exception_is_told_without_text_and_without_locals(lines: Lines, *, pass_error: bool) -> None:
    local = SECRET + " in a local"
    try:
        raise LookupError(SECRET, local)
    except LookupError as error:
        structlog.get_logger().error("failed", exc_info=error if pass_error else True)
        logging.getLogger("some.library").exception("failed as well")
    ours, theirs = lines()
    assert ours["exception"] == theirs["exception"]
    assert ours["exception"][0]["type"] == "LookupError"
    assert SECRET not in json.dumps([ours, theirs])


def test_exception_that_is_not_there_is_not_told(lines: Lines) -> None:
    structlog.get_logger().error("failed", exc_info=True)
    logging.getLogger("some.library").error("failed", exc_info=(None, None, None))
    assert [line.get("exception") for line in lines()] == [None, None]


async def test_what_asyncio_says_of_a_forgotten_exception_does_not_quote_it(lines: Lines) -> None:
    async def fails() -> None:
        raise LookupError(SECRET)

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
    )
    (line,) = lines()
    assert line["event"] == "Task exception was never retrieved"
    assert line["exception"][0]["type"] == "LookupError"
    assert SECRET not in json.dumps(line)


@pytest.mark.threat(13)
async def test_start_that_failed_is_told_by_kind_and_place(lines: Lines) -> None:
    @asynccontextmanager
    async def fails(_app: FastAPI) -> AsyncIterator[None]:
        raise LookupError(SECRET)
        yield

    config = uvicorn.Config(FastAPI(lifespan=fails), port=0, log_config=None)
    with pytest.raises(SystemExit):
        await uvicorn.Server(config)._serve()
    told = lines()
    (line,) = [line for line in told if "exception" in line]
    assert (line["event"], line["logger"]) == ("process.exception", "uvicorn.error")
    assert line["exception"][0]["type"] == "LookupError"
    assert line["exception"][0]["frames"][-1].endswith("fails")
    assert SECRET not in json.dumps(told)
    assert "Traceback" not in json.dumps(told)


def test_traceback_of_an_exception_that_is_over_is_cut_like_any_other_text(lines: Lines) -> None:
    logging.getLogger("some.library").error("Traceback (most recent call last):\n...\nLookupError: %s", SECRET)
    (line,) = lines()
    assert SECRET not in json.dumps(line)


@pytest.mark.threat(13)
def test_libraries_that_would_log_addresses_and_statements_are_kept_quiet(lines: Lines) -> None:
    for name in ("httpx", "httpcore.connection", "uvicorn.access", "sqlalchemy.engine.Engine"):
        logging.getLogger(name).info("GET https://test.api.kota.io/employees/em_1")
    assert lines() == []


def test_a_higher_level_holds_for_them_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="error", fmt="json")
    logging.getLogger("httpx").warning("retrying")
    assert capsys.readouterr().out == ""


def test_uvicorn_writes_through_the_same_renderer(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    configure_logging(level="info", fmt="json")
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    assert [line["event"] for line in lines()] == ["Application startup complete."]


@pytest.mark.threat(13)
def test_record_that_does_not_fit_its_format_fails_nobody_and_shows_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(level="info", fmt="json")
    logging.getLogger("some.library").warning("%d", SECRET)
    assert tuple(capsys.readouterr()) == ("", "")


def test_reader_that_went_away_fails_nobody(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed())
        structlog.get_logger().info("unheard")
        logging.getLogger("some.library").warning("unheard")
    assert lines() == []


def test_people_get_the_whole_exception_without_locals(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", fmt="console")
    local = "another"
    try:
        raise LookupError(SECRET)
    except LookupError:
        structlog.get_logger().exception("failed", ref="e-1")
    out = capsys.readouterr().out
    assert "failed" in out
    assert "e-1" in out
    assert f"LookupError: {SECRET}" in out
    assert local not in out


@pytest.mark.parametrize(("fmt", "shown"), [("json", False), ("console", True)])
def test_crash_of_a_process_is_told_like_any_other_exception(fmt: LogFormat, *, shown: bool) -> None:
    script = (
        "from app.ops.logging import configure_logging\n"
        f"configure_logging(level='info', fmt={fmt!r})\n"
        f"raise LookupError({SECRET!r})"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert (SECRET in ended.stdout + ended.stderr) is shown
    assert "LookupError" in ended.stdout + ended.stderr


def test_interrupted_process_ends_as_usual() -> None:
    script = (
        "from app.ops.logging import configure_logging\n"
        "configure_logging(level='info', fmt='json')\n"
        "raise KeyboardInterrupt"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout == ""
    assert "KeyboardInterrupt" in ended.stderr
