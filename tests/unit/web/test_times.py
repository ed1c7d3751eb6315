from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.web.times import Day, Instant

INSTANT: TypeAdapter[Any] = TypeAdapter(Instant)
DAY: TypeAdapter[Any] = TypeAdapter(Day)


@pytest.mark.parametrize("value", ["2026-03-02T09:15:00Z", "2026-03-02t09:15:00.25+02:00", "2026-03-02 09:15:00-05:00"])
def test_rfc_3339_is_an_instant(value: str) -> None:
    assert INSTANT.validate_python(value).tzinfo is not None


@pytest.mark.parametrize(
    "value",
    [
        0,
        0.5,
        "0",
        "0.5",
        "1760000000",
        "2026-03-02",
        "2026-03-02T09:15:00",
        "2026-13-02T09:15:00Z",
        "٢٠٢٦-03-02T09:15:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_only_resembles_an_instant_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


def test_a_day_is_a_day() -> None:
    assert DAY.validate_python("2030-06-30") == date(2030, 6, 30)


@pytest.mark.parametrize(
    "value", [0, 1.0, "0", "2030-06-31", "2030-06-30T00:00:00", "2030-06-30T00:00:00Z", "30.06.2030"]
)
def test_what_only_resembles_a_day_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        DAY.validate_python(value)
