from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import Field, TypeAdapter

from app.errors import InvalidInput
from app.web.pagination import Page, decode_cursor, encode_cursor
from app.web.times import Day, Instant

INSTANT_AND_ID = TypeAdapter(tuple[Instant, UUID])
DAY_AND_TEXT = TypeAdapter(tuple[Day, str])
NUMBER = TypeAdapter(tuple[Annotated[int, Field(ge=0, lt=2**63)]])
AT = datetime(2026, 3, 2, 9, 15, 0, 123456, tzinfo=UTC)
ID = UUID(int=7)


def page_after(*key: object, limit: int = 2) -> Page:
    return Page(limit, decode_cursor(encode_cursor(*key)))


def test_page_from_the_start_has_no_key() -> None:
    assert Page(2).key(INSTANT_AND_ID) is None


def test_key_comes_back_as_it_was() -> None:
    assert page_after(AT, ID).key(INSTANT_AND_ID) == (AT, ID)
    assert page_after(AT.replace(microsecond=0), ID).key(INSTANT_AND_ID) == (AT.replace(microsecond=0), ID)
    assert page_after(AT.date(), "ctr_1").key(DAY_AND_TEXT) == (AT.date(), "ctr_1")
    assert page_after(2**63 - 1).key(NUMBER) == (2**63 - 1,)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (INSTANT_AND_ID, ()),
        (INSTANT_AND_ID, (AT,)),
        (INSTANT_AND_ID, (AT, ID, ID)),
        (INSTANT_AND_ID, (AT, "er_1")),
        (INSTANT_AND_ID, ("2026-03-02", ID)),
        (INSTANT_AND_ID, (AT.replace(tzinfo=None), ID)),
        (INSTANT_AND_ID, ("0001-01-01T00:00:00+14:00", ID)),
        (DAY_AND_TEXT, (AT, "ctr_1")),
        (DAY_AND_TEXT, ("2026-02-30", "ctr_1")),
        (NUMBER, (-1,)),
        (NUMBER, (2**63,)),
        (NUMBER, ("9" * 300,)),
        (NUMBER, ("\u0663",)),
    ],
)
def test_key_of_another_list_is_refused(kind: TypeAdapter[tuple[object, ...]], key: tuple[object, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        page_after(*key).key(kind)
    assert [error.pointer for error in refused.value.errors] == ["/query/cursor"]


def test_cursor_leads_to_what_the_page_left_off() -> None:
    def key(number: int) -> tuple[int]:
        return (number,)

    items, cursor = Page(2).cut([1, 2, 3], key)
    assert (list(items), cursor) == ([1, 2], encode_cursor(2))
    assert Page(2).cut([1, 2], key) == ([1, 2], None)
    assert Page(2).cut([], key) == ([], None)
