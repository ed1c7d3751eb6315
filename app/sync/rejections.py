"""Kota's refusals in the host's words: where Kota names a place in its request, a pointer into the host's record."""

import re
from collections.abc import Mapping

from app.sync.fields import OUR_KEY

# `$.home_address.postal_code`, `home_address/postal_code`, `HomeAddress.PostalCode` and `errors[0]` have been seen in
# such maps; Kota documents only that the keys are JSON paths or header names.
_SEPARATORS = re.compile(r"[./\[\]]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RENAMED = {"/employer_id": "/employer_ref", f"/metadata/{OUR_KEY}": "/ref"}


def pointer_of(place: str) -> str:
    """The JSON pointer into the host's record for what Kota calls `place`; "" (the whole record) for a header."""
    if place.lower().replace("_", "-") == "idempotency-key":
        return ""
    parts = [part for part in _SEPARATORS.split(place.removeprefix("$")) if part]
    pointer = "".join(f"/{_snake(part)}" for part in parts)
    return _RENAMED.get(pointer, pointer)


def host_errors(errors: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Kota's `errors` as `[{pointer, message}]`."""
    return [
        {"pointer": pointer_of(place), "message": message} for place, messages in errors.items() for message in messages
    ]


def _snake(part: str) -> str:
    # Keys of metadata are the host's own and stay as they are; Kota's names are snake_case already, or start high.
    return _HUMPS.sub("_", part).lower() if part[:1].isupper() else part
