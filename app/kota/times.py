"""Kota's dates and times, which come as dates where a time is announced and the reverse.

`offboard_on` is documented as a date-time and meant as a day; `due_by` is either. A calendar date stays the day that
was written: shifting it to another time zone would move somebody's last day of cover.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator


def read_instant(value: Any) -> datetime | None:
    """An aware UTC datetime from Kota's text; no offset means UTC. None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_day(value: Any) -> date | None:
    """The calendar date as written, from a date or a date-time. None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).date()
    except ValueError:
        return None


def _instant(value: Any) -> Any:
    return read_instant(value) or value


def _day(value: Any) -> Any:
    return read_day(value) or value


# What neither reader understands goes on to pydantic, which refuses it.
Instant = Annotated[datetime, BeforeValidator(_instant)]
Day = Annotated[date, BeforeValidator(_day)]
