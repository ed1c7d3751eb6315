"""Lists: `?limit=50&cursor=` → `{items, next_cursor}`. A cursor is opaque and says where the last page ended."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from app.errors import FieldError, InvalidInput

DEFAULT_LIMIT, MAX_LIMIT = 50, 200


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: at most `limit` items after the sort key `after`, None from the start."""

    limit: int
    after: tuple[str, ...] | None


def encode_cursor(*key: str) -> str:
    """The cursor of the item whose sort key this is."""
    return urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, ...]:
    """What `encode_cursor` was given; ValueError for anything else."""
    decoded = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if not isinstance(decoded, list) or not all(isinstance(part, str) and "\x00" not in part for part in decoded):
        raise ValueError("not a cursor")
    # Half a character has no bytes; a UnicodeError is a ValueError.
    "".join(decoded).encode()
    return tuple(decoded)


async def get_page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=1024, description="`next_cursor` of the page before")] = None,
) -> Page:
    """The page that the query names."""
    if cursor is None:
        return Page(limit, None)
    try:
        return Page(limit, decode_cursor(cursor))
    except (ValueError, RecursionError):
        raise bad_cursor() from None


def bad_cursor() -> InvalidInput:
    """The refusal of a cursor that no list of ours gave out."""
    return InvalidInput(errors=[FieldError("/query/cursor", "is not a cursor of this list")])


PageDep = Annotated[Page, Depends(get_page)]
