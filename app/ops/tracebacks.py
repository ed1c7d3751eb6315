"""Exceptions for logs: what was raised and where, and nothing that a value could be read from."""

import traceback
from itertools import islice
from typing import Any

MOST_FRAMES = 30
MOST_LINKED = 10


def without_texts(error: BaseException) -> list[dict[str, Any]]:
    """`error` and what led to it, the latest first: `{type, frames, sqlstate?, exceptions?}`.

    The text of an exception stays out, since a driver's may quote the row that it refused, and a parser's the body;
    so do notes, local variables and lines of source.
    """
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < MOST_LINKED:
        seen.add(id(current))
        chain.append(_link(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _link(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    link: dict[str, Any] = {
        "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "frames": _frames(error),
    }
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        link["sqlstate"] = state
    if isinstance(error, BaseExceptionGroup):
        link["exceptions"] = [without_texts(nested) for nested in islice(error.exceptions, MOST_LINKED)]
    return link


def _frames(error: BaseException) -> list[str]:
    """`file:line function`, outermost first. Of many the innermost: that is where it happened."""
    frames = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return frames[-MOST_FRAMES:]
