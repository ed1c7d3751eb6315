"""Looks for values that must not be somewhere, in every form in which a program might have written them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

BYTEA = re.compile(rb"\\x((?:[0-9a-f]{2})+)")


def forms_of(value: str) -> set[bytes]:
    """`value` as it is, in JSON, in a URL, in hex and inside of a longer text in base64."""
    raw = value.encode()
    texts = {value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value), quote(value, safe=""), quote_plus(value)}
    return {text.encode() for text in texts} | {raw.hex().encode(), raw.hex().upper().encode()} | set(_base64(raw))


def leaks(places: Mapping[str, bytes], values: Iterable[str]) -> list[str]:
    """Where which value was found. Only the beginnings of the values are told."""
    return sorted(
        f"{place} has {value[:6]}… as {form[:9]!r}…"
        for value in set(values)
        for form in forms_of(value)
        for place, content in places.items()
        if form in content
    )


def decoded_bytea(dump: bytes) -> bytes:
    """All that a dump writes as hex, as the bytes that it stands for."""
    return b"\n".join(bytes.fromhex(found.decode()) for found in BYTEA.findall(dump))


def _base64(raw: bytes) -> Iterator[bytes]:
    """What of it does not depend on its neighbours, for each place at which it may begin."""
    for offset in range(3):
        begin = (offset * 8 + 5) // 6
        end = (offset + len(raw)) * 8 // 6
        if end - begin >= 8:
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield encode(b"\0" * offset + raw)[begin:end]
