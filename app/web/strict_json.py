"""Reading JSON that a stranger wrote: one meaning, bounded depth, and nothing that a database cannot hold."""

import json
from typing import Any, NoReturn

from app.errors import MalformedRequest

MAX_DEPTH = 32
"""Levels of objects and lists. Kota's deepest record has four."""


def read_json(body: bytes) -> Any:
    """`body` as JSON (RFC 8259, UTF-8). Raises MalformedRequest, which quotes nothing of it.

    Refused beyond what is no JSON: the same key twice in one object (two readers may choose different ones), NaN and
    infinities, an unpaired surrogate, a NUL character, and more than `MAX_DEPTH` levels.
    """
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not valid JSON.") from None
    _check(value, MAX_DEPTH)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedRequest("The body has a key twice in one object.")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")


def _check(value: Any, levels: int) -> None:
    if isinstance(value, str):
        if "\x00" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)):
            raise MalformedRequest("The body holds a NUL character or an unpaired surrogate.")
    elif isinstance(value, dict | list):
        if not levels:
            raise MalformedRequest(f"The body is nested more than {MAX_DEPTH} levels deep.")
        if isinstance(value, dict):
            for key in value:
                _check(key, levels)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, levels - 1)
