"""Instants and days as callers write them: what OpenAPI's `date-time` and `date` promise, and nothing else.

Pydantic alone would take a bare number for seconds since 1970, and `0` for a day.
"""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written_as_instant(value: Any) -> Any:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("must be an instant with its time zone, such as 2026-03-02T09:15:00Z")
    return value


def _within_utc(value: datetime) -> datetime:
    """`0001-01-01T00:00:00+14:00` is a moment of the year before, which neither Python nor the driver can hold."""
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None
    return value


def _written_as_day(value: Any) -> Any:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-03-02")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_as_instant), AfterValidator(_within_utc)]
"""RFC 3339, with a time zone."""
Day = Annotated[date, BeforeValidator(_written_as_day)]
"""`YYYY-MM-DD`."""
