from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kota.times import read_day, read_instant


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-31", date(2026, 3, 31)),
        ("2026-03-31T00:00:00Z", date(2026, 3, 31)),
        ("2026-03-31T23:59:59.9999999+14:00", date(2026, 3, 31)),
        ("2026-02-30", None),
        ("", None),
        (20260331, None),
        (None, None),
    ],
)
def test_a_day_is_read_as_it_was_written(value: Any, expected: date | None) -> None:
    assert read_day(value) == expected


@pytest.mark.parametrize("value", [None, 1700000000, {}, "now", ""])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert read_instant(value) is None


@given(st.datetimes(timezones=st.timezones() | st.just(UTC), allow_imaginary=False))
def test_every_time_is_read_as_the_same_moment_in_utc(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    read = read_instant(expected.isoformat())
    assert read == expected
    assert read is not None
    assert read.tzinfo is UTC
