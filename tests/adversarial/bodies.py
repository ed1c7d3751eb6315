"""Every route that takes JSON, and bodies that no two readers agree about."""

import gzip
import re
import zlib

from fastapi.routing import APIRoute

from app.auth.doors import Door, doors_of
from app.main import ROUTERS
from tests.support.app import Host

TAKES_JSON = {
    (route.path, method)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.body_field is not None
    for method in route.methods or ()
}
JSON_DOORS = [door for door in doors_of(ROUTERS) if (door.path, door.method) in TAKES_JSON]

AMBIGUOUS = {
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, escaped": b'{"\\u0061": 1, "a": 2}',
    "a key twice, deeper": b'{"a": [{"b": 1, "b": 1}]}',
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": [1, -Infinity]}',
    "NUL": b'{"a": "\\u0000"}',
    "NUL in a key": b'{"\\u0000": 1}',
    "unpaired surrogate": b'{"a": "\\udfff"}',
    "unpaired surrogate in a key": b'{"\\ud800": 1}',
    "33 levels": b'{"a":' * 33 + b"1" + b"}" * 33,
    "endless depth": b"[" * 200_000,
    "a number that nobody can hold": b'{"a": ' + b"9" * 20_000 + b"}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-7": b"+AHsAIg-a+ACI-: 1+AH0-",
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "comment": b'{"a": 1 /* or 2 */}',
    "two documents": b'{"a": 1}{"a": 2}',
    "trailing NUL": b'{"a": 1}\x00',
    "a line break in a string": b'{"a": "\n"}',
    "hexadecimal": b'{"a": 0x10}',
    "leading zero": b'{"a": 010}',
    "single quotes": b"{'a': 1}",
    "form": b"a=1&a=2",
}


def packed() -> dict[str, bytes]:
    """By the Content-Encoding that each is sent with: a megabyte of spaces, which is valid JSON with a digit behind."""
    plain = b" " * 1_000_000 + b"1"
    once = gzip.compress(plain)
    return {
        "gzip": once,
        "x-gzip": once,
        "GZIP": once,
        "deflate": zlib.compress(plain),
        "gzip, gzip": gzip.compress(once),
        "identity, gzip": once,
        "br": b"\x0b\x00\x80\x03",
        "zstd": b"\x28\xb5\x2f\xfd\x00",
        "compress": b"\x1f\x9d",
        "chunked": plain,
        "": plain,
    }


def address(door: Door) -> str:
    return re.sub(r"\{[^}]+\}", "a1", door.path)


def credential(door: Door, host: Host) -> dict[str, str]:
    return host.service if door.scope else host.bearer()
