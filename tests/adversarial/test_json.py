"""JSON that two readers read differently, on every route that takes any."""

import json
from urllib.parse import quote

import pytest

from app.auth.doors import Door
from app.sync.batch_lines import read_line
from tests.adversarial.bodies import AMBIGUOUS, JSON_DOORS, address, credential
from tests.support.app import Host, RunningApp
from tests.support.records import employee_record, employer_record

pytestmark = pytest.mark.threat(8)
KEY = b"a made-up key of some length here"
# The route itself, and its own rules, may refuse these as well; no other answer is right.
INVISIBLE = ["a\u202eb", "a\u200bb", "a\u2066b", "\ufeffa", "a\u00adb", "a\u2028b", "a\x1bb", "a\x7fb", "a\u0085b"]


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("door", JSON_DOORS, ids=lambda door: f"{door.method} {door.path}")
async def test_body_with_two_meanings_is_refused_by_every_route(
    shared_app: RunningApp, host: Host, door: Door, body: bytes
) -> None:
    headers = credential(door, host) | {"Content-Type": "application/json"}
    answer = await shared_app.http.request(door.method, address(door), content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_line_of_a_batch_is_read_as_strictly_as_a_body(body: bytes) -> None:
    record = json.dumps(employer_record())[:-1].encode()
    inside = b'{"kind": "employer", "ref": "a", "record": ' + record + b', "metadata": ' + body + b"}}"
    for text in (body, inside):
        line = read_line(1, text, lookup_key=KEY)
        assert line.wanted is None
        assert line.refusal is not None
        assert [error.pointer for error in line.refusal.errors] == [""]


def test_line_that_names_two_employees_is_neither_of_them() -> None:
    record = json.dumps(employee_record("acme")).encode()
    line = read_line(1, b'{"kind": "employee", "ref": "a", "ref": "b", "record": ' + record + b"}", lookup_key=KEY)
    assert (line.ref, line.wanted) == (None, None)


@pytest.mark.threat(2)
@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
async def test_invisible_characters_are_in_no_id(shared_app: RunningApp, host: Host, text: str) -> None:
    vouched = {"audience": "employee", "employer_ref": "acme", "employee_ref": "mary"}
    for name in ("employer_ref", "employee_ref", "external_customer"):
        answer = await shared_app.http.post("/internal/sessions", json={**vouched, name: text}, headers=host.service)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    name = quote(text, safe="")
    for path in (f"/internal/employers/{name}", f"/internal/employees/{name}", f"/internal/employees/{name}/link"):
        method = "PUT" if path.endswith("link") else "GET"
        body = {"kota_id": "ee_1"} if method == "PUT" else None
        answer = await shared_app.http.request(method, path, json=body, headers=host.service)
        assert answer.status_code == 422, answer.text
    line = read_line(
        1, json.dumps({"kind": "employer", "ref": text, "record": employer_record()}).encode(), lookup_key=KEY
    )
    assert line.wanted is None
