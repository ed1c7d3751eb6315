"""What a host's backend sees of PUT, GET, list and DELETE."""

import pytest

from app.queue.dirty import mark_dirty
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld


async def test_first_put_answers_201_with_kotas_id_and_no_personal_data(world: SyncWorld, acme: str) -> None:
    answer = await world.call("PUT", "employees/e1", employee_record("acme"))
    assert answer.status_code == 201
    body = answer.json()
    (stored,) = await world.at_kota("employee")
    assert body["kota_id"] == stored["id"]
    assert stored["employer_id"] == acme
    assert stored["metadata"] == {"id": "e1"}
    assert body["sync"] == {"state": "synced", "version": 1, "attempts": 0, "last_error": None, "waiting_for": None}
    assert "Example" not in answer.text


@pytest.mark.usefixtures("acme")
async def test_unchanged_put_answers_200_without_a_call(world: SyncWorld) -> None:
    await world.call("PUT", "employees/e1", employee_record("acme"))
    answer = await world.call("PUT", "employees/e1", employee_record("acme"))
    assert (answer.status_code, answer.json()["changed"]) == (200, False)
    assert await world.requests("PUT", "/employees*") == []


@pytest.mark.usefixtures("acme")
async def test_changed_put_sends_changed_fields_only_and_whole_sub_objects(world: SyncWorld) -> None:
    record = employee_record("acme")
    await world.call("PUT", "employees/e1", record)
    changed = record | {"home_address": record["home_address"] | {"line1": "3 Other Street"}}
    answer = await world.call("PUT", "employees/e1", changed)
    assert (answer.status_code, answer.json()["changed"], answer.json()["sync"]["version"]) == (200, True, 2)
    (sent,) = await world.requests("PUT", "/employees*")
    address = {name: value for name, value in changed["home_address"].items() if name != "country_code"}
    assert sent["body"] == {"home_address": address}


async def test_put_of_an_employee_whose_employer_was_never_sent_is_refused(world: SyncWorld) -> None:
    answer = await world.call("PUT", "employees/e1", employee_record("nobody"))
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_employer")


async def test_employee_waits_for_its_employer_and_is_woken(world: SyncWorld) -> None:
    await world.fault("POST", "/employers", "status", status=503)
    answer = await world.call("PUT", "employers/acme", employer_record(), Prefer="respond-async")
    assert answer.status_code == 202
    answer = await world.call("PUT", "employees/e1", employee_record("acme"))
    assert (answer.status_code, answer.json()["sync"]["waiting_for"]) == (202, "employer")
    await world.sandbox.control("DELETE", "faults")
    await world.until("employees/e1", state="synced")


@pytest.mark.usefixtures("acme")
async def test_rejection_names_the_hosts_fields_and_the_next_good_put_is_synced(world: SyncWorld) -> None:
    bad = employee_record("acme", external_customer_id="customer-1")
    answer = await world.call("PUT", "employees/e1", bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_by_kota")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/external_customer_id"]
    shown = (await world.call("GET", "employees/e1")).json()["sync"]
    assert shown["state"] == "rejected"
    assert shown["last_error"]["code"] == "invalid_request"
    assert shown["last_error"]["kota_trace_id"]
    again = await world.call("PUT", "employees/e1", bad)
    assert (again.status_code, again.json()["code"]) == (422, "rejected_by_kota")
    good = await world.call("PUT", "employees/e1", employee_record("acme"))
    assert good.status_code == 200, good.text


@pytest.mark.usefixtures("acme")
async def test_input_that_kota_documents_as_wrong_is_refused_in_changed_fields(world: SyncWorld) -> None:
    record = employee_record("acme")
    bad = record | {"date_of_birth": "1899-01-01", "nationality": "zz"}
    answer = await world.call("PUT", "employees/e1", bad)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/date_of_birth", "/nationality"]
    assert (await world.call("GET", "employees/e1")).status_code == 404
    await world.call("PUT", "employees/e1", record)
    changed = await world.call("PUT", "employees/e1", record | {"first_name": " "})
    assert [fault["pointer"] for fault in changed.json()["errors"]] == ["/first_name"]


async def test_metadata_id_is_ours(world: SyncWorld) -> None:
    answer = await world.call("PUT", "employers/acme", employer_record(metadata={"id": "mine"}))
    assert answer.status_code == 422


@pytest.mark.usefixtures("acme")
async def test_immutable_and_sent_fields_are_refused_once_kota_has_the_record(world: SyncWorld) -> None:
    record = employee_record("acme")
    await world.call("PUT", "employers/other", employer_record())
    await world.call("PUT", "employees/e1", record)
    for change, pointer in (
        ({"date_of_birth": "1990-01-01"}, "/date_of_birth"),
        ({"home_address": record["home_address"] | {"country_code": "gb"}}, "/home_address/country_code"),
        ({"employer_ref": "other"}, "/employer_ref"),
    ):
        answer = await world.call("PUT", "employees/e1", record | change)
        assert (answer.status_code, answer.json()["code"]) == (422, "immutable_field")
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    cleared = {name: value for name, value in record.items() if name != "nationality"}
    answer = await world.call("PUT", "employees/e1", cleared)
    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_clear")


@pytest.mark.usefixtures("acme")
async def test_immutable_field_of_a_create_under_way_is_a_conflict(world: SyncWorld) -> None:
    await world.fault("POST", "/employees", "status", status=503)
    record = employee_record("acme")
    await world.call("PUT", "employees/e1", record, Prefer="respond-async")
    await world.until("employees/e1", attempts=1)
    answer = await world.call("PUT", "employees/e1", record | {"sex_at_birth": "male"})
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_in_flight")


@pytest.mark.usefixtures("acme")
async def test_offboarded_record_is_left_alone(world: SyncWorld) -> None:
    kota_id = (await world.call("PUT", "employees/e1", employee_record("acme"))).json()["kota_id"]
    await world.sandbox.control("POST", "advance", {"id": kota_id, "status": "inactive"})
    async with world.services.sessions.begin() as session:
        await mark_dirty(session, "employee", kota_id)
    await world.until("employees/e1", kota_status="inactive")
    for record in (employee_record("acme"), employee_record("acme", first_name="Other")):
        answer = await world.call("PUT", "employees/e1", record)
        assert (answer.status_code, answer.json()["code"]) == (409, "offboarded")
    assert await world.requests("PUT", "/employees*") == []


@pytest.mark.usefixtures("acme")
async def test_likely_slips_are_warnings(world: SyncWorld) -> None:
    odd = employee_record("acme", phone_number="12", email="nobody", bank_account={"account_number": "odd"})
    answer = await world.call("PUT", "employees/e1", odd, Prefer="respond-async")
    pointers = [fault["pointer"] for fault in answer.json()["warnings"]]
    assert pointers == ["/phone_number", "/email", "/bank_account/account_number"]


@pytest.mark.usefixtures("acme")
async def test_record_can_be_withdrawn_only_while_kota_cannot_have_it(world: SyncWorld) -> None:
    await world.call("PUT", "employees/e1", employee_record("acme"))
    for path in ("employees/e1", "employers/acme"):
        answer = await world.call("DELETE", path)
        assert (answer.status_code, answer.json()["code"]) == (409, "use_offboarding")
    await world.stop_worker()
    await world.call("PUT", "employers/new", employer_record(), Prefer="respond-async")
    await world.call("PUT", "employees/e2", employee_record("new"))
    answer = await world.call("DELETE", "employers/new")
    assert (answer.status_code, answer.json()["code"]) == (409, "has_employees")
    assert (await world.call("DELETE", "employees/e2")).status_code == 204
    assert (await world.call("DELETE", "employers/new")).status_code == 204
    assert (await world.call("DELETE", "employers/new")).status_code == 404


@pytest.mark.usefixtures("acme")
async def test_list_filters_and_pages(world: SyncWorld) -> None:
    for number in range(5):
        await world.call("PUT", f"employees/e{number}", employee_record("acme"))
    first = (await world.call("GET", "employees?limit=3&employer_ref=acme&sync_state=synced")).json()
    rest = (await world.call("GET", f"employees?limit=3&cursor={first['next_cursor']}")).json()
    assert [item["ref"] for item in first["items"] + rest["items"]] == [f"e{number}" for number in range(5)]
    assert rest["next_cursor"] is None
    assert (await world.call("GET", "employees?updated_since=2999-01-01T00:00:00Z")).json()["items"] == []
    assert (await world.call("GET", "employers?kota_status=restricted")).json()["items"] == []
    assert (await world.call("GET", "employees?cursor=WyJ4IiwieSJd")).status_code == 422
    assert (await world.call("GET", "employees?cursor=WyIyMDI2LTAxLTAxIiwgIngiXQ")).status_code == 422
