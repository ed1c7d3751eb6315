"""Databases for tests that need one of their own."""

from typing import Protocol


class NewDatabase(Protocol):
    """Answers the URL of a database that nobody else uses, at the newest revision unless not `migrated`."""

    def __call__(self, *, migrated: bool = True) -> str: ...
