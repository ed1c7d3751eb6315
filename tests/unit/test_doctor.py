from datetime import UTC, datetime, timedelta

import pytest

from app.doctor import State, judge_clock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("there", [NOW, NOW + 3 * SECOND, NOW - SECOND, NOW + 4 * SECOND])
def test_a_slow_answer_is_no_skew(there: datetime) -> None:
    assert judge_clock(there, before=NOW, after=NOW + 3 * SECOND).state is State.OK


@pytest.mark.parametrize("skew", [3 * SECOND, -3 * SECOND])
def test_a_clock_that_is_ahead_or_behind_is_a_fault(skew: timedelta) -> None:
    finding = judge_clock(NOW + skew, before=NOW, after=NOW)

    assert finding.state is State.FAULT
    assert finding.seen.startswith("3.0 s")
