"""JSON as it travels: amounts stay exact, bytes stay the same for the same content."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


class Unparsable(ValueError):
    """The bytes are not JSON. Quotes none of them."""


def serialise(content: Mapping[str, Any]) -> bytes:
    """The bytes to send for `content`, always the same for equal content.

    A repeated call under the same idempotency key must carry identical bytes, or Kota answers 409. Takes what JSON has
    (str, int, bool, None, lists, mappings) and refuses the rest with `TypeError` or `ValueError`, NaN included.
    """
    return json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def unparse(value: Any) -> bytes:
    """JSON for a value that `parse` gave, every fraction with the digits it came with.

    Raises:
        RecursionError: for one nested about as deeply as `parse` takes.
    """
    return _text(value).encode()


def parse(body: bytes) -> Any:
    """The JSON value in `body`, fractions as `Decimal`.

    Raises:
        Unparsable: for anything but UTF-8 JSON, and for JSON nested too deeply or with numbers too large to hold.
    """
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except (ValueError, ArithmeticError, RecursionError):
        fault = "not JSON"
    # Raised outside the handler: a JSONDecodeError in the context would drag the whole body along.
    raise Unparsable(fault)


def _text(value: Any) -> str:
    # The json module writes no exact fractions: what it does not know it asks for as text, in quotes.
    match value:
        case dict():
            return "{" + ",".join([f"{json.dumps(name)}:{_text(member)}" for name, member in value.items()]) + "}"
        case list():
            return "[" + ",".join([_text(member) for member in value]) + "]"
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


# NaN and Infinity are Python's, not JSON's.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
