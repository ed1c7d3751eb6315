import json
from collections.abc import Callable

import pytest

from app.ops.tracebacks import MOST_FRAMES, MOST_LINKED, without_texts

SECRET = "made-up name"


class DriverError(Exception):
    sqlstate = "23505"


def caught(act: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as info:  # noqa: PT011 - any
        act()
    return info.value


def read_secret(secret: str) -> None:
    raise LookupError(secret)


def test_type_and_places_remain_and_texts_do_not() -> None:
    (link,) = without_texts(caught(lambda: read_secret(SECRET)))
    assert link["type"] == "LookupError"
    assert link["frames"][-1].startswith(f"{__file__}:")
    assert link["frames"][-1].endswith(" read_secret")
    assert SECRET not in json.dumps(link)


def test_what_led_to_it_follows() -> None:
    def act() -> None:
        try:
            read_secret(SECRET)
        except LookupError as error:
            error.add_note(SECRET)
            raise DriverError(SECRET) from error

    links = without_texts(caught(act))
    assert [link["type"] for link in links] == [f"{__name__}.DriverError", "LookupError"]
    assert links[0]["sqlstate"] == "23505"
    assert "sqlstate" not in links[1]
    assert SECRET not in json.dumps(links)


def test_what_was_handled_when_it_was_raised_follows_unless_it_was_raised_from_none() -> None:
    def act(*, cut: bool) -> None:
        try:
            read_secret(SECRET)
        except LookupError:
            if cut:
                raise ValueError(SECRET) from None
            raise ValueError(SECRET)  # noqa: B904 - what the test is about

    assert [link["type"] for link in without_texts(caught(lambda: act(cut=False)))] == ["ValueError", "LookupError"]
    assert [link["type"] for link in without_texts(caught(lambda: act(cut=True)))] == ["ValueError"]


def test_members_of_a_group_are_told_without_texts() -> None:
    def act() -> None:
        raise ExceptionGroup(SECRET, [ValueError(SECRET), ExceptionGroup(SECRET, [LookupError(SECRET)])])

    (link,) = without_texts(caught(act))
    (first,), (second,) = link["exceptions"]
    assert first["type"] == "ValueError"
    assert second["exceptions"][0][0]["type"] == "LookupError"
    assert SECRET not in json.dumps(link)


def test_source_of_a_syntax_error_is_not_shown() -> None:
    assert "made_up" not in json.dumps(without_texts(caught(lambda: compile("made_up = (", "<text>", "exec"))))


def test_circles_and_depths_come_to_an_end() -> None:
    first, second = ValueError(), LookupError()
    first.__cause__, second.__cause__ = second, first
    assert len(without_texts(first)) == 2

    def deep(depth: int) -> None:
        deep(depth - 1) if depth else read_secret(SECRET)

    frames = without_texts(caught(lambda: deep(200)))[0]["frames"]
    assert len(frames) == MOST_FRAMES
    assert frames[-1].endswith(" read_secret")

    error: BaseException = ValueError()
    for _ in range(50):
        outer = ValueError()
        outer.__cause__ = error
        error = outer
    assert len(without_texts(error)) == MOST_LINKED
