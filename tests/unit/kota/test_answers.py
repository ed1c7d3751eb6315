from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kota import KotaError, KotaProblem, KotaRateLimited, KotaRejected, KotaUnreadable
from app.kota.answers import read_answer
from app.kota.retry import read_retry_after
from tests.unit.kota.kota_double import problem

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def failure(response: httpx.Response) -> KotaError:
    with pytest.raises(KotaError) as failed:
        read_answer("POST /employees", response, response.content)
    return failed.value


@pytest.mark.parametrize(
    ("status", "name", "happened"),
    [
        (400, "KotaRejected", False),
        (401, "KotaUnauthorized", False),
        (403, "KotaUnauthorized", False),
        (404, "KotaNotFound", False),
        (408, "KotaServerError", True),
        (409, "KotaConflict", True),
        (418, "KotaRejected", False),
        (422, "KotaRejected", False),
        (425, "KotaServerError", True),
        (429, "KotaRateLimited", False),
        (500, "KotaServerError", True),
        (503, "KotaServerError", True),
        (599, "KotaServerError", True),
    ],
)
def test_each_status_has_its_error(status: int, name: str, happened: bool) -> None:
    error = failure(problem(status, error_code="invalid_request", trace_id="00-abc-01"))
    assert type(error).__name__ == name
    assert error.may_have_happened is happened
    assert isinstance(error, KotaProblem)
    assert (error.status, error.error_code, error.trace_id) == (status, "invalid_request", "00-abc-01")
    assert str(error) == f"POST /employees: status={status} error_code=invalid_request trace_id=00-abc-01"


def test_what_kota_wrote_is_kept_and_not_shown() -> None:
    error = failure(problem(400, detail="Mary Example", errors={"$.email": ["mary@example.com"], "$.x": "lone"}))
    assert isinstance(error, KotaRejected)
    assert error.detail == "Mary Example"
    assert error.errors == {"$.email": ["mary@example.com"], "$.x": ["lone"]}
    assert "mary" not in (str(error) + repr(error)).lower()


@pytest.mark.parametrize("value", ["Mary Example", "x" * 129, "a\nb", "", 7])
def test_what_does_not_look_like_a_code_is_not_taken_for_one(value: Any) -> None:
    error = failure(problem(400, error_code=value, trace_id=value))
    assert isinstance(error, KotaRejected)
    assert (error.error_code, error.trace_id) == (None, None)


def test_the_trace_id_is_found_under_either_name() -> None:
    assert failure(problem(500, traceId="0HM:1")).trace_id == "0HM:1"


def test_every_failure_has_a_short_code() -> None:
    assert failure(problem(400, error_code="invalid_request")).short_code == "invalid_request"
    assert failure(problem(400)).short_code == "status_400"
    unreadable = failure(httpx.Response(307))
    assert (unreadable.short_code, unreadable.error_code, unreadable.trace_id) == ("KotaUnreadable", None, None)


@pytest.mark.parametrize("errors", [[], "x", 1, None])
def test_errors_that_are_no_map_are_none(errors: Any) -> None:
    error = failure(problem(400, errors=errors))
    assert isinstance(error, KotaRejected)
    assert error.errors == {}


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", b"[]", b'"x"'])
def test_a_refusal_without_a_problem_document_is_no_verdict(status: int, body: bytes) -> None:
    assert isinstance(failure(httpx.Response(status, content=body)), KotaUnreadable)


@pytest.mark.parametrize(
    ("status", "name"), [(401, "KotaUnauthorized"), (429, "KotaRateLimited"), (502, "KotaServerError")]
)
def test_what_others_say_on_the_way_counts_by_its_status(status: int, name: str) -> None:
    assert type(failure(httpx.Response(status, content=b"<html>"))).__name__ == name


@pytest.mark.parametrize("status", [100, 304, 307])
def test_an_answer_that_nobody_asked_for_is_unreadable(status: int) -> None:
    assert isinstance(failure(httpx.Response(status)), KotaUnreadable)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"a":NaN}'])
def test_success_without_json_is_unreadable_and_may_have_happened(body: bytes) -> None:
    error = failure(httpx.Response(200, content=body))
    assert isinstance(error, KotaUnreadable)
    assert error.may_have_happened
    assert error.__context__ is None


@given(status=st.integers(100, 599), body=st.binary(max_size=200))
def test_every_answer_is_json_or_a_kota_error(status: int, body: bytes) -> None:
    response = httpx.Response(status, content=body)
    try:
        read_answer("GET /x", response, body)
    except KotaError:
        return
    assert response.is_success


def test_a_retry_after_is_kept() -> None:
    error = failure(problem(429, headers={"retry-after": "7"}))
    assert isinstance(error, KotaRateLimited)
    assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("\u0663", None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("9" * 5000, 3600.0),
        ("Mon, 02 Mar 2026 09:15:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 09:15:30 -0000", 30.0),
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0.0),
        ("Tue, 02 Mar 2027 09:00:00 GMT", 3600.0),
    ],
)
def test_a_retry_after_is_read_and_bounded(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, now=NOW) == seconds


@given(header=st.text())
def test_no_retry_after_is_too_odd_to_read(header: str) -> None:
    seconds = read_retry_after(header, now=NOW)
    assert seconds is None or 0 <= seconds <= 3600
