import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contributions.lines import digest_of
from app.contributions.table import cell, render


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\n-", "\uff1d"])
def test_text_that_a_spreadsheet_would_run_is_quoted(start: str) -> None:
    assert cell(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("-12.50", "-12.50"), ("0.00001", "0.00001"), ("1E-7", "0.0000001"), ("1E+3", "1000"), ("-0.00", "-0.00")],
)
def test_an_amount_stays_a_number_with_all_of_its_digits(amount: str, text: str) -> None:
    assert cell(Decimal(amount)) == text


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=2)))
def test_rows_are_read_back_as_they_were_written(rows: list[list[str]]) -> None:
    assert list(csv.reader(io.StringIO(render(rows), newline=""))) == rows


def test_rows_end_as_rfc_4180_says() -> None:
    assert render([["a", 'b "c"\nd']]) == 'a,"b ""c""\nd"\r\n'


def test_the_order_of_lines_does_not_change_their_digest() -> None:
    assert digest_of([b"1", b"2"]) == digest_of([b"2", b"1"]) != digest_of([b"1"])
