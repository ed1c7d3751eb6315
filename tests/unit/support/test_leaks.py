import base64
import json
from urllib.parse import urlencode

import pytest

from tests.support.leaks import decoded_bytea, leaks
from tests.support.people import Known

VALUE = "Zoë O'Made/Up+1"


@pytest.mark.parametrize(
    "written",
    [
        VALUE.encode(),
        json.dumps({"name": VALUE}).encode(),
        repr({"name": VALUE}).encode(),
        urlencode({"name": VALUE}).encode(),
        VALUE.encode().hex().encode(),
        *(base64.b64encode(b"x" * before + VALUE.encode() + b"y" * after) for before in range(4) for after in range(4)),
        base64.urlsafe_b64encode(b'{"name":"' + VALUE.encode() + b'"}'),
    ],
)
def test_value_is_found_however_it_is_written(written: bytes) -> None:
    assert leaks({"a log": b"before " + written + b" after"}, [VALUE]) != []


def test_other_values_are_not_found() -> None:
    assert leaks({"a log": b"Zoe Other; made/up"}, [VALUE]) == []


def test_bytes_of_a_dump_are_read() -> None:
    dump = f"COPY t (body) FROM stdin;\n\\\\x{VALUE.encode().hex()}\t1".encode()
    assert leaks({"dump": decoded_bytea(dump)}, [VALUE]) != []


def test_every_value_of_a_made_up_person_is_known_and_found() -> None:
    known = Known()
    record = known.employee("acme", "Found1")
    found = leaks({"a log": json.dumps(record).encode()}, known.values)
    assert len(known.values) >= 10
    assert {value for value in known.values if not any(value[:6] in line for line in found)} == set()
