import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kota import Envelope, NotAnEvent, read_envelope
from app.kota.envelope import envelope_of
from app.kota.wire import parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def event(**changes: Any) -> dict[str, Any]:
    return {"id": "evt_1", "type": "employee.created", "data": {"id": "ee_1"}, **changes}


def refusal(body: bytes) -> str:
    with pytest.raises(NotAnEvent) as refused:
        read_envelope(body)
    return str(refused.value)


def test_an_event_is_read() -> None:
    body = json.dumps(event(version="V2", created_at="2026-03-02T09:15:00Z", platform_id="pt_1", more=1)).encode()
    assert read_envelope(body) == Envelope(
        id="evt_1",
        type="employee.created",
        version="v2",
        created_at=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
        platform_id="pt_1",
        data={"id": "ee_1"},
        body=body,
    )


def test_id_and_type_are_enough() -> None:
    body = b'{"id":"evt_1","type":"made.up"}'
    assert read_envelope(body) == Envelope("evt_1", "made.up", "v2", None, None, None, body)


@given(content=st.dictionaries(st.text(), JSON, max_size=4), extra=JSON)
def test_odd_values_of_optional_fields_are_no_reason_to_refuse(content: dict[str, Any], extra: Any) -> None:
    odd = dict.fromkeys(("created_at", "created", "version", "api_version", "platform_id", "data"), extra)
    body = json.dumps({**content, **odd, "id": "evt_1", "type": "made.up"}).encode()
    assert read_envelope(body).id == "evt_1"


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_an_event_or_refused(body: bytes) -> None:
    try:
        envelope = read_envelope(body)
    except NotAnEvent:
        return
    assert envelope.id
    assert envelope.type


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        json.dumps(event()).encode("utf-16"),
        b'{"id":"evt_1","type":"t","data":NaN}',
        b'{"id":"evt_1","type":"t","data":-Infinity}',
        b'{"id":"evt_1","type":"t","data":' + b"1" * 5000 + b"}",
        b'{"id":"evt_1","type":"t","data":1e99999999999999999999}',
        b'{"id":"evt_1","type":"t","data":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(body) == "not JSON"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"evt_1"', b"1"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(body) == "not a JSON object"


@pytest.mark.parametrize("key", ["id", "type"])
@pytest.mark.parametrize("value", [None, "", 1, [], {}, True])
def test_id_and_type_must_be_non_empty_strings(key: str, value: Any) -> None:
    assert refusal(json.dumps(event(**{key: value})).encode()) == f"{key} is not a non-empty string"


@pytest.mark.parametrize("key", ["id", "type"])
@pytest.mark.parametrize("value", ["evt\0", "evt\ud800", "\udfff"])
def test_what_a_database_cannot_hold_is_refused(key: str, value: str) -> None:
    assert refusal(json.dumps(event(**{key: value})).encode()) == f"{key} has characters that cannot be stored"


def test_an_id_may_have_255_characters_and_no_more() -> None:
    assert read_envelope(json.dumps(event(id="ü" * 255)).encode()).id == "ü" * 255
    assert refusal(json.dumps(event(id="x" * 256)).encode()) == "id is longer than 255 characters"


def test_a_refusal_quotes_nothing() -> None:
    with pytest.raises(NotAnEvent) as refused:
        read_envelope(b'{"name": "Mary Example"')
    assert "Mary" not in repr(refused.value)
    assert refused.value.__cause__ is None
    assert getattr(refused.value.__context__, "doc", None) is None


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({"api_version": "1.0"}, "v1"),
        ({"version": "V1"}, "v1"),
        ({"version": "V2"}, "v2"),
        ({"api_version": "V2"}, "v2"),
        ({}, "v2"),
        ({"version": 7}, "v2"),
        ({"api_version": "1.0", "data": {"resource_type": "employee"}}, "v2"),
    ],
)
def test_the_version_is_read_wherever_kota_puts_it(fields: dict[str, Any], version: str) -> None:
    assert envelope_of(event(**fields)).version == version


def test_the_version_that_was_asked_for_outweighs_what_the_event_says() -> None:
    assert envelope_of(event(api_version="1.0"), version="v2").version == "v2"


@pytest.mark.parametrize("key", ["created_at", "created"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T09:15:00.1234567Z", datetime(2026, 3, 2, 9, 15, 0, 123456, tzinfo=UTC)),
        ("2026-03-02T10:15:00+01:00", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02T09:15:00", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_the_time_is_read_under_both_its_names(key: str, text: str, expected: datetime | None) -> None:
    assert envelope_of(event(**{key: text})).created_at == expected


def test_fractions_stay_exact() -> None:
    assert read_envelope(b'{"id":"a","type":"b","data":0.10}').data == Decimal("0.10")


def test_a_fetched_event_keeps_all_that_came_with_it() -> None:
    text = b'{"id":"evt_1","type":"t","new":[1,true,null,"\\u0000\\ud800"],"data":{"amount":0.10,"large":1E+5}}'
    envelope = envelope_of(parse(text))
    assert envelope.body == text


@given(content=JSON)
def test_what_is_kept_reads_as_what_came(content: Any) -> None:
    envelope = envelope_of(event(data=content))
    assert parse(envelope.body) == event(data=content)


def test_an_event_that_cannot_be_kept_is_none() -> None:
    nested: Any = None
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(NotAnEvent, match="nested too deeply"):
        envelope_of(event(data=nested))


def test_data_is_not_shown() -> None:
    assert "ee_1" not in repr(envelope_of(event()))
    assert "ee_1" not in repr(read_envelope(json.dumps(event()).encode()))
