"""Structured logs on standard output: one JSON object a line, or coloured text for a person at a terminal.

Events are dotted names with ids beside them. Bodies, names, e-mail addresses, tokens and keys are never passed in; and
a traceback carries no local variables, since those would.
"""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["json", "console"]


def configure_logging(*, level: str, fmt: LogFormat) -> None:
    """Route structlog and the standard library's loggers through one renderer. Called once, by a root."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if fmt == "json":
        renderer: list[structlog.types.Processor] = [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
            ),
            _without_exception_texts,
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback, colors=sys.stdout.isatty(), pad_event_to=0
            )
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # These would write URLs with ids, statements, or a line a request that our own middleware writes better.
    for name in ("httpx", "httpcore", "uvicorn.access", "sqlalchemy.engine", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


def _without_exception_texts(
    _logger: object, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Keep an exception's type and frames, drop its text: a driver's message may quote the row it refused."""
    for exception in event.get("exception") or []:
        exception.pop("exc_value", None)
        exception.pop("exc_notes", None)
        for nested in exception.get("exceptions") or []:
            nested.pop("exc_value", None) if isinstance(nested, dict) else None
    return event
