"""Structured logs on standard output: one JSON object a line, or coloured text for a person at a terminal.

Events are dotted names with ids beside them. Bodies, names, e-mail addresses, tokens and keys are never passed in.
What other libraries log goes through the same renderer; of an exception the type and the places remain.
"""

import json
import logging
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal

import structlog

from app.ops.tracebacks import without_texts

LogFormat = Literal["json", "console"]

# These would write URLs with ids, statements, or a line a request that our own middleware writes better.
_TALKATIVE = ("httpx", "httpcore", "uvicorn.access", "sqlalchemy.engine", "asyncio")
_TRACEBACK = "Traceback (most recent call last):"

log = structlog.get_logger(__name__)


def configure_logging(*, level: str, fmt: LogFormat) -> None:
    """Route structlog and the standard library's loggers through one renderer. Called once, by a root."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers = _for_machines() if fmt == "json" else _for_people()
    structlog.configure(
        processors=[*shared, *renderers],
        # Not by way of the standard library, which would double the cost of a line.
        logger_factory=_StandardOutput,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _route_other_loggers(shared, renderers, level=level)
    if fmt == "json":
        # Both would write the texts of exceptions, and what was to be logged, past all of the above.
        logging.raiseExceptions = False
        sys.excepthook = _log_crash


def _for_machines() -> list[structlog.types.Processor]:
    return [_render_exception, _render_json]


def _for_people() -> list[structlog.types.Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback, colors=sys.stdout.isatty(), pad_event_to=0
        )
    ]


def _route_other_loggers(
    shared: list[structlog.types.Processor], renderers: list[structlog.types.Processor], *, level: str
) -> None:
    handler = _StandardOutputHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _first_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn sets up its own.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.level = [], True, logging.NOTSET
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _render_exception(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    exc_info = event.pop("exc_info", None)
    error = _error_of(exc_info)
    if error is not None:
        event["exception"] = without_texts(error)
    return event


# `json.dumps` with any option makes an encoder for every line.
_encode = json.JSONEncoder(default=repr).encode


def _render_json(_logger: object, _method: str, event: structlog.types.EventDict) -> str:
    return _encode(event)


def _error_of(exc_info: object) -> BaseException | None:
    """structlog and the standard library pass the exception, a tuple with it, or True for the one being handled."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None


def _first_line(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """What follows the first line of a library's message is a traceback, or the repr of a task and its exception.

    A message that is nothing but a traceback is how uvicorn says that the application did not start.
    """
    event["event"] = str(event["event"]).partition("\n")[0]
    if event["event"] == _TRACEBACK:
        event["event"] = "process.exception"
        event.setdefault("exc_info", sys.exception())
    return event


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("process.crashed", exc_info=error)


def _write(line: str) -> None:
    # A reader that went away must not fail the request that had something to say.
    with suppress(OSError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class _StandardOutput:
    """What structlog hands its lines to, by the name of their level."""

    def __init__(self, *_name: str) -> None:
        """Our events say by their own names where they come from."""

    def __getattr__(self, _level: str) -> Any:
        return _write


class _StandardOutputHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            _write(self.format(record))
        except Exception:  # noqa: BLE001 - a record whose arguments do not fit its format must not break its writer
            self.handleError(record)
