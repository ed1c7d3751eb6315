import pytest

from tests.kota_bodies import employer_body
from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


async def test_a_new_employer_is_pending_and_becomes_active_by_itself(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    assert employer["status"] == "pending"
    await sandbox.advance(1.1)
    assert (await sandbox.read(f"/employers/{employer['id']}"))["status"] == "active"


async def test_text_is_stored_in_kotas_own_form(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox()
    body = employer_body(legal_name="  Example   Trading Ltd ", contact={"name": "Casey", "email": "Casey@Example.com"})
    body["legal_address"]["postal_code"] = "d02 x285"
    employer = await sandbox.created("/employers", body)
    assert employer["legal_name"] == "Example Trading Ltd"
    assert employer["contact"]["email"] == "casey@example.com"
    assert employer["legal_address"]["postal_code"] == "D02 X285"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"legal_name": " "}, "$.legal_name"),
        ({"legal_name": None}, "$.legal_name"),
        ({"legal_name": 7}, "$.legal_name"),
        ({"country": "ie"}, "$.country"),
        ({"contact": "Casey"}, "$.contact"),
        ({"contact": {"name": "Casey"}}, "$.contact.email"),
        ({"contact": {"name": "Casey", "email": "nobody"}}, "$.contact.email"),
        ({"earliest_benefits_start_date": "2020-01-01"}, "$.earliest_benefits_start_date"),
        ({"earliest_benefits_start_date": "2099-02-30"}, "$.earliest_benefits_start_date"),
        ({"metadata": {str(number): "" for number in range(26)}}, "$.metadata"),
        ({"metadata": {"k" * 41: ""}}, f"$.metadata.{'k' * 41}"),
        ({"metadata": {"id": "v" * 501}}, "$.metadata.id"),
        ({"metadata": {"id": 7}}, "$.metadata.id"),
        ({"metadata": "id"}, "$.metadata"),
    ],
)
async def test_a_wrong_body_is_refused_by_json_path(
    sandbox: SandboxClient, changes: dict[str, object], path: str
) -> None:
    answer = await sandbox.post("/employers", json=employer_body(**changes))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["error_code"] == "invalid_request"
    assert problem["trace_id"]
    assert list(problem["errors"]) == [path]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"country_code": "IE"}, "country_code"),
        ({"country_code": "us", "postal_code": "10001"}, "state"),
        ({"country_code": "ca", "state": "ON", "postal_code": "10001"}, "postal_code"),
        ({"line1": ""}, "line1"),
        ({"county": "Dublin"}, "county"),
    ],
)
async def test_a_wrong_address_is_refused(sandbox: SandboxClient, changes: dict[str, object], name: str) -> None:
    body = employer_body()
    body["legal_address"].update(changes)
    answer = await sandbox.post("/employers", json=body)
    assert list(answer.json()["errors"]) == [f"$.legal_address.{name}"]


async def test_a_body_that_is_no_json_is_refused(sandbox: SandboxClient) -> None:
    answer = await sandbox.post("/employers", content=b"{")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["$"]


async def test_an_update_replaces_sub_objects_whole_and_keeps_the_country(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer(
        legal_address={
            "line1": "1 Example Street",
            "line2": "Floor 2",
            "city": "Dublin",
            "postal_code": "D02 X285",
            "country_code": "ie",
        }
    )
    address = {"line1": "9 Other Street", "city": "Cork", "postal_code": "T12 X285"}
    answer = await sandbox.put(f"/employers/{employer['id']}", json={"legal_address": address, "metadata": {"a": "b"}})
    assert answer.status_code == 200
    changed = answer.json()
    assert changed["legal_address"] == {**address, "line2": None, "line3": None, "state": None, "country_code": "ie"}
    assert changed["metadata"] == {"a": "b"}
    assert changed["legal_name"] == employer["legal_name"]


async def test_an_update_refuses_the_country_and_clears_nothing_by_null(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    path = f"/employers/{employer['id']}"
    answer = await sandbox.put(path, json={"legal_address": employer_body()["legal_address"]})
    assert list(answer.json()["errors"]) == ["$.legal_address.country_code"]
    answer = await sandbox.put(path, json={"registration_number": None})
    assert answer.json()["registration_number"] == employer["registration_number"]


async def test_unknown_employers_unknown_paths_and_wrong_methods_are_problems(sandbox: SandboxClient) -> None:
    assert (await sandbox.get("/employers/er_none")).json()["error_code"] == "not_found"
    assert (await sandbox.get("/nothing")).status_code == 404
    assert (await sandbox.delete("/employers")).status_code == 405


@pytest.mark.parametrize("authorization", ["", "Bearer pk_test_other", "Basic pk_test_sandbox"])
async def test_a_wrong_key_is_refused(sandbox: SandboxClient, authorization: str) -> None:
    answer = await sandbox.get("/employers", headers={"authorization": authorization})
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "unauthorized"


async def test_keys_can_be_rotated(sandbox: SandboxClient) -> None:
    await sandbox.post("/_control/keys", json={"api_keys": ["pk_test_next"]})
    assert (await sandbox.get("/employers")).status_code == 401
    assert (await sandbox.get("/employers", headers={"authorization": "Bearer pk_test_next"})).status_code == 200


async def test_answers_have_members_that_nobody_documents_unless_the_sandbox_is_kind(
    open_sandbox: OpenSandbox,
) -> None:
    assert "display_hints" in await open_sandbox().new_employer()
    assert "display_hints" not in await open_sandbox(kind=True).new_employer()


async def test_a_status_that_nobody_documents_comes_now_and_then(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(drift=1.0)
    employer = await sandbox.new_employer()
    assert employer["status"] == "in_review"
    assert (await sandbox.read("/_control/state"))["employer"][0]["status"] == "pending"
