"""Kota's refusals in the host's words: where Kota names a place in its request, a pointer into the host's record."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import FieldError
from app.sync.fields import OUR_KEY

# `$.home_address.postal_code`, `home_address/postal_code`, `HomeAddress.PostalCode` and `errors[0]` have been seen in
# such maps; Kota documents only that the keys are JSON paths or header names.
_SEPARATORS = re.compile(r"[./\[\]]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
LEFT_OUT = "…"
_RENAMED = {"/employer_id": "/employer_ref", f"/metadata/{OUR_KEY}": "/ref"}


def pointer_of(place: str) -> str:
    """The JSON pointer into the host's record for what Kota calls `place`; "" (the whole record) for a header."""
    if place.lower().replace("_", "-") == "idempotency-key":
        return ""
    parts = [part for part in _SEPARATORS.split(place.removeprefix("$")) if part]
    pointer = "".join(f"/{_snake(part)}" for part in parts)
    return _RENAMED.get(pointer, pointer)


def host_errors(errors: Mapping[str, list[str]], *, sent: Any) -> list[FieldError]:
    """Kota's `errors` at their places in the host's record. What a message quotes of what was `sent`, any JSON, is left
    out: the pointer says where it stands, and no personal data comes back from here."""
    quoted = _quotes_of(sent)
    return [
        FieldError(pointer_of(place), quoted.sub(LEFT_OUT, message))
        for place, messages in errors.items()
        for message in messages
    ]


def _quotes_of(sent: Any) -> re.Pattern[str]:
    """Matches any text of `sent` where it stands as a word, longest first, in upper case or lower."""
    texts = {text.strip() for text in _texts_in(sent)}
    longest_first = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    either = "|".join(re.escape(text) for text in longest_first)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)" if either else r"(?!)", re.IGNORECASE)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)


def _snake(part: str) -> str:
    # Keys of metadata are the host's own and stay as they are; Kota's names are snake_case already, or start high.
    return _HUMPS.sub("_", part).lower() if part[:1].isupper() else part
