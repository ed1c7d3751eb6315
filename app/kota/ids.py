"""Ids as Kota writes them: opaque, and named by members of its objects."""

from collections.abc import Mapping
from typing import Any

LONGEST_ID = 255
"""Characters; what is longer is nobody's id."""


def read_id(content: Mapping[str, Any], member: str) -> str | None:
    """The id that `member` holds; None for anything else, such as what is not printable and could not be stored."""
    value = content.get(member)
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST_ID else None
