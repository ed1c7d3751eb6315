"""Kota's lists: numbered pages of at most 100, newest first as a rule (Kota's page "Pagination").

`page_size` in an answer is the number of rows on that page, not the size that was asked for.
"""

import math
from dataclasses import dataclass
from typing import Any

from app.kota.errors import KotaUnreadable

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Page:
    """`total` is how many items Kota counts on all pages, or None if it did not say; `more` whether a page follows."""

    items: list[Any]
    total: int | None
    more: bool


def read_page(answer: Any, *, number: int, operation: str) -> Page:
    """Page `number`, from 1, of a list that is read in pages of `PAGE_SIZE`.

    Raises:
        KotaUnreadable: for what is no page, or a list that does not end. Nothing unread is taken for nothing there.
    """
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise KotaUnreadable(operation, "not a page")
    count = answer.get("total_count")
    total = count if isinstance(count, int) else None
    more = answer.get("has_next_page")
    if not isinstance(more, bool):
        more = bool(items) and (total is None or number * PAGE_SIZE < total)
    # A list grows while it is read, but not by as much again.
    endless = total is not None and number > 2 * math.ceil(total / PAGE_SIZE) + 2
    if more and (not items or endless):
        raise KotaUnreadable(operation, "pages without end")
    return Page(items, total, more)
