"""Kota's lists: numbered pages of at most 100, newest first as a rule (Kota's page "Pagination").

`page_size` in an answer is the number of rows on that page, not the size that was asked for.
"""

import math
from typing import Any

from app.kota.errors import KotaUnreadable

MAX_PAGE_SIZE = 100


class PageReader:
    """Takes the pages of one list in order, and says when the last one was read."""

    def __init__(self, operation: str, *, size: int = MAX_PAGE_SIZE) -> None:
        self.size = size
        self.finished = False
        self._operation = operation

    def items(self, answer: Any, *, page: int) -> list[Any]:
        """The rows of page number `page`.

        Raises:
            KotaUnreadable: for what is no page, or a list that does not end. Nothing unread is taken for nothing there.
        """
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise KotaUnreadable(self._operation, "not a page")
        more = answer.get("has_next_page")
        total = answer.get("total_count")
        if isinstance(more, bool):
            self.finished = not more
        else:
            self.finished = not items or (isinstance(total, int) and page * self.size >= total)
        if not self.finished and (not items or self._endless(page, total)):
            raise KotaUnreadable(self._operation, "pages without end")
        return items

    def _endless(self, page: int, total: Any) -> bool:
        # A list grows while it is read, but not by as much again.
        return isinstance(total, int) and page > 2 * math.ceil(total / self.size) + 2
