"""The envelope around every event, whether Kota delivers it or we fetch it.

Kota's documents disagree with each other here: `created_at` or `created`, `version` or `api_version` or neither. All
of it is accepted. Only a type and an id are demanded; what happened is read from Kota, never from `data`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from app.kota.errors import NotAnEvent
from app.kota.times import read_instant
from app.kota.wire import Unparsable, parse, unparse

_MAX_ID_LENGTH = 255
# JSON can spell NUL and an unpaired surrogate; PostgreSQL can store neither.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

EventVersion = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event. `data` is the whole resource in v1 and ids in v2, and may be any JSON.

    `body` is all of it, to be kept: the bytes that were delivered, or JSON of the row that was fetched. Both can hold
    personal data.
    """

    id: str
    type: str
    version: EventVersion
    created_at: datetime | None
    platform_id: str | None
    data: Any = field(repr=False)
    body: bytes = field(repr=False)


def read_envelope(body: bytes) -> Envelope:
    """The event in a delivery's raw body.

    Raises:
        NotAnEvent: unless it is a JSON object with a non-empty string `id` of at most 255 characters and a non-empty
            string `type`, both of which a database can hold.
    """
    try:
        content = parse(body)
    except Unparsable:
        raise NotAnEvent("not JSON") from None
    return _envelope(content, body=body, version=None)


def envelope_of(content: Any, *, version: EventVersion | None = None) -> Envelope:
    """The event in parsed JSON. `version` is what the caller asked Kota for, and outweighs what the event says.

    Raises:
        NotAnEvent: as `read_envelope`.
    """
    try:
        body = unparse(content)
    except RecursionError:
        raise NotAnEvent("nested too deeply") from None
    return _envelope(content, body=body, version=version)


def _envelope(content: Any, *, body: bytes, version: EventVersion | None) -> Envelope:
    if not isinstance(content, dict):
        raise NotAnEvent("not a JSON object")
    platform_id = content.get("platform_id")
    return Envelope(
        id=_name(content, "id", longest=_MAX_ID_LENGTH),
        type=_name(content, "type"),
        version=version or _version(content),
        created_at=read_instant(content.get("created_at")) or read_instant(content.get("created")),
        platform_id=platform_id if isinstance(platform_id, str) else None,
        data=content.get("data"),
        body=body,
    )


def _name(content: Mapping[str, Any], key: str, *, longest: int | None = None) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise NotAnEvent(f"{key} is not a non-empty string")
    if longest is not None and len(value) > longest:
        raise NotAnEvent(f"{key} is longer than {longest} characters")
    if _UNSTORABLE.search(value):
        raise NotAnEvent(f"{key} has characters that cannot be stored")
    return value


def _version(content: Mapping[str, Any]) -> EventVersion:
    """v1 webhooks say `api_version: "1.0"`, v2 ones `version: "V2"` or nothing; `data.resource_type` is v2's alone."""
    data = content.get("data")
    if isinstance(data, dict) and "resource_type" in data:
        return "v2"
    declared = content.get("version") or content.get("api_version")
    return "v1" if isinstance(declared, str) and declared.lower().removeprefix("v").startswith("1") else "v2"
