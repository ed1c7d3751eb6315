import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kota import Refusal, SignatureRefused, shape, sign, verify

pytestmark = pytest.mark.threat(10)


NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
SECRET = b"whsec_made-up"
TOLERANCE = timedelta(seconds=300)
BODY = b'{"id":"evt_1","type":"employee.created"}'


def check(
    *headers: str,
    body: bytes = BODY,
    secrets: tuple[bytes, ...] = (SECRET,),
    tolerance: timedelta = TOLERANCE,
    now: datetime = NOW,
) -> None:
    verify(body, headers, secrets=secrets, tolerance=tolerance, now=now)


def refusal(*headers: str, secrets: tuple[bytes, ...] = (SECRET,), body: bytes = BODY) -> Refusal:
    with pytest.raises(SignatureRefused) as refused:
        check(*headers, secrets=secrets, body=body)
    return refused.value.reason


def mac(timestamp: str, *, secret: bytes = SECRET, body: bytes = BODY) -> bytes:
    return hmac.digest(secret, timestamp.encode() + b"." + body, hashlib.sha256)


def header(at: datetime = NOW, *, secret: bytes = SECRET) -> str:
    return sign(BODY, secret=secret, at=at)


def test_what_was_signed_is_believed() -> None:
    check(header())


@given(body=st.binary(max_size=2000), secret=st.binary(min_size=1, max_size=100))
def test_any_body_signed_with_any_secret_is_believed_and_no_other_body_is(body: bytes, secret: bytes) -> None:
    value = sign(body, secret=secret, at=NOW)
    check(value, body=body, secrets=(b"another", secret))
    assert refusal(value, body=body + b" ", secrets=(secret,)) is Refusal.MISMATCH


@given(value=st.text(max_size=300))
def test_nothing_that_was_not_signed_is_believed(value: str) -> None:
    assert refusal(value) in {Refusal.MALFORMED, Refusal.MISMATCH, Refusal.DUPLICATE}


@given(parts=st.lists(st.tuples(st.sampled_from(["t", "v1", "v0", "s"]), st.text(max_size=70)), max_size=12))
def test_nothing_that_only_looks_signed_is_believed(parts: list[tuple[str, str]]) -> None:
    refusal(",".join(f"{key}={value}" for key, value in parts))


def test_the_signature_may_be_base64_and_have_any_name() -> None:
    timestamp = str(int(NOW.timestamp()))
    check(f"sig={base64.b64encode(mac(timestamp)).decode()}, t={timestamp}")


def test_the_signature_may_be_upper_case_hex() -> None:
    timestamp = str(int(NOW.timestamp()))
    check(f"t={timestamp},v1={mac(timestamp).hex().upper()}")


def test_the_timestamp_may_count_milliseconds() -> None:
    timestamp = str(int(NOW.timestamp() * 1000) - 299_000)
    check(f"t={timestamp},v1={mac(timestamp).hex()}")
    timestamp = str(int(NOW.timestamp() * 1000) - 300_001)
    assert refusal(f"t={timestamp},v1={mac(timestamp).hex()}") is Refusal.STALE


def test_any_of_several_signatures_and_secrets_may_match() -> None:
    right = header().split("v1=")[1]
    timestamp = int(NOW.timestamp())
    check(f"t={timestamp},v0={'0' * 64},v1={right},v1=nonsense", secrets=(b"newer", SECRET))


def test_eight_signatures_are_read_and_nine_are_refused() -> None:
    eight = header() + ",v0=x" * 7
    check(eight)
    assert refusal(eight + ",v0=x") is Refusal.MALFORMED


def test_without_a_header_nothing_is_believed() -> None:
    assert refusal() is Refusal.MISSING


def test_two_headers_are_refused_even_if_both_are_right() -> None:
    assert refusal(header(), header()) is Refusal.DUPLICATE


def test_two_timestamps_are_refused() -> None:
    assert refusal(header() + f",t={int(NOW.timestamp())}") is Refusal.DUPLICATE


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense",
        f"sha256={'0' * 64}",
        "t=,v1=00",
        "t=1700000000",
        "v1=00",
        "t=-1,v1=00",
        "t=1.5,v1=00",
        "t=\u0661\u0667,v1=00",
        "t=12345678901234567,v1=00",
        "t=1700000000,v1",
        "t=1700000000,,v1=00",
        "t=1700000000,=00",
        "t=1700000000,v1=" + "0" * 5000,
    ],
)
def test_a_header_without_the_right_parts_is_malformed(value: str) -> None:
    assert refusal(value) is Refusal.MALFORMED


@pytest.mark.parametrize("secrets", [(), (b"",)])
def test_without_a_secret_nothing_is_believed(secrets: tuple[bytes, ...]) -> None:
    assert refusal(sign(BODY, secret=b"", at=NOW), secrets=secrets) is Refusal.NO_SECRET


def test_another_secret_does_not_match() -> None:
    assert refusal(header(secret=b"another")) is Refusal.MISMATCH


def test_an_old_and_a_future_signature_are_told_apart() -> None:
    check(header(NOW - TOLERANCE))
    check(header(NOW + TOLERANCE))
    assert refusal(header(NOW - TOLERANCE - timedelta(seconds=1))) is Refusal.STALE
    assert refusal(header(NOW + TOLERANCE + timedelta(seconds=1))) is Refusal.FUTURE


def test_a_wrong_time_is_not_named_to_one_who_cannot_sign() -> None:
    assert refusal(header(NOW - timedelta(days=1), secret=b"another")) is Refusal.MISMATCH


def test_a_changed_timestamp_spoils_the_signature() -> None:
    later = int(NOW.timestamp()) + 1
    assert refusal(f"t={later},{header().split(',')[1]}") is Refusal.MISMATCH


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("t=1700000000,v1=" + "ab" * 32, "t=digits(10),v1=hex(64)"),
        ("sha256=" + "ab" * 32, "sha256=hex(64)"),
        ("t=1,s=" + "A" * 43 + "=", "t=digits(1),s=base64(44)"),
        ("Hunter2 is my password=!", "?=other(1)"),
        ("g" * 40 + "=", "base64(41)"),
        ("", "other(0)"),
        (",".join(["v=1"] * 30), ",".join(["v=digits(1)"] * 10) + ",..."),
    ],
)
def test_the_shape_of_a_header_shows_nothing_of_its_values(value: str, expected: str) -> None:
    assert shape(value) == expected
