"""Lists: `?limit=50&cursor=` → `{items, next_cursor}`. A cursor is opaque and says where the last page ended."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query
from pydantic import TypeAdapter, ValidationError

from app.errors import FieldError, InvalidInput

DEFAULT_LIMIT, MAX_LIMIT = 50, 200

ItemT = TypeVar("ItemT")
KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: at most `limit` items after the one where the last page ended.

    `after` is the sort key of that item as text, None from the start.
    """

    limit: int
    after: tuple[str, ...] | None = None

    def key(self, kind: TypeAdapter[KeyT]) -> KeyT | None:
        """The sort key to begin after, as the tuple that `kind` reads; raises `bad_cursor` for another list's."""
        if self.after is None:
            return None
        try:
            return kind.validate_python(self.after)
        except ValidationError:
            raise bad_cursor() from None

    def cut(
        self, found: Sequence[ItemT], key: Callable[[ItemT], tuple[object, ...]]
    ) -> tuple[Sequence[ItemT], str | None]:
        """The items of this page and the cursor of the next, None after the last.

        `found` holds up to `limit + 1` items, and `key` gives the sort key of one.
        """
        items = found[: self.limit]
        if len(found) <= self.limit:
            return items, None
        return items, encode_cursor(*key(items[-1]))


def encode_cursor(*key: object) -> str:
    """The cursor of the item whose sort key this is; every part goes in as its `str`."""
    parts = json.dumps([str(part) for part in key], separators=(",", ":"))
    return urlsafe_b64encode(parts.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, ...]:
    """What `encode_cursor` was given; ValueError for anything else."""
    decoded = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if not isinstance(decoded, list) or not all(isinstance(part, str) and "\x00" not in part for part in decoded):
        raise ValueError("not a cursor")
    # An unpaired surrogate has no bytes; a UnicodeError is a ValueError.
    "".join(decoded).encode()
    return tuple(decoded)


async def get_page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=1024, description="`next_cursor` of the page before")] = None,
) -> Page:
    """The page that the query names."""
    if cursor is None:
        return Page(limit)
    try:
        return Page(limit, decode_cursor(cursor))
    except (ValueError, RecursionError):
        raise bad_cursor() from None


def bad_cursor() -> InvalidInput:
    """The refusal of a cursor that no list of ours gave out."""
    return InvalidInput(errors=[FieldError("/query/cursor", "is not a cursor of this list")])


PageDep = Annotated[Page, Depends(get_page)]
