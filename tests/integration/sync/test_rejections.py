"""A record that Kota rejects shows why, in the host's own field names, and the next good PUT is synced."""

from typing import Any

import pytest

from tests.support.kota_holds import held_by_kota, held_fields
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld

EMPLOYER = employer_record()
EMPLOYEE = employee_record("acme")
# What Kota refuses and we leave to it: nested fields by their pointers.
BAD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "an employer's postal code": (
        "employers",
        {"legal_address": EMPLOYER["legal_address"] | {"postal_code": "nowhere"}},
        ["/legal_address/postal_code"],
    ),
    "an employer's contact": (
        "employers",
        {"contact": {"name": " ", "email": "nobody"}},
        ["/contact/email", "/contact/name"],
    ),
    "an employee's postal code": (
        "employees",
        {"home_address": EMPLOYEE["home_address"] | {"postal_code": "nowhere"}},
        ["/home_address/postal_code"],
    ),
    "an employee's bank account and phone": (
        "employees",
        {"bank_account": {"account_number": "odd"}, "phone_number": "12"},
        ["/bank_account/account_number", "/phone_number"],
    ),
}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("case", BAD)
async def test_refused_create_names_the_hosts_fields_and_the_next_good_put_creates(world: SyncWorld, case: str) -> None:
    kind, change, pointers = BAD[case]
    record = EMPLOYER if kind == "employers" else EMPLOYEE
    await _is_refused(world, f"{kind}/new", record | change, pointers)
    assert [item for item in await world.at_kota(kind[:-1]) if item["metadata"]["id"] == "new"] == []
    answer = await world.call("PUT", f"{kind}/new", record)
    assert (answer.status_code, answer.json()["sync"]["state"]) == (200, "synced")
    assert answer.json()["sync"]["last_error"] is None
    await _stands_at_kota(world, kind, record)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("case", BAD)
async def test_refused_update_names_the_hosts_fields_and_the_next_good_put_updates(world: SyncWorld, case: str) -> None:
    kind, change, pointers = BAD[case]
    record = EMPLOYER if kind == "employers" else EMPLOYEE
    assert (await world.call("PUT", f"{kind}/new", record)).status_code == 201
    await _is_refused(world, f"{kind}/new", record | change, pointers)
    await _stands_at_kota(world, kind, record)
    better = record | {"metadata": {"team": "another"}}
    answer = await world.call("PUT", f"{kind}/new", better)
    assert (answer.status_code, answer.json()["sync"]["state"]) == (200, "synced")
    assert answer.json()["sync"]["last_error"] is None
    await _stands_at_kota(world, kind, better)


async def _is_refused(world: SyncWorld, path: str, record: dict[str, Any], pointers: list[str]) -> None:
    answer = await world.call("PUT", path, record)
    refusal = answer.json()
    assert (answer.status_code, refusal["code"], refusal["kota_error_code"]) == (
        422,
        "rejected_by_kota",
        "invalid_request",
    )
    assert refusal["kota_trace_id"]
    assert sorted(fault["pointer"] for fault in refusal["errors"]) == pointers
    assert all(fault["message"] for fault in refusal["errors"])
    shown = (await world.call("GET", path)).json()["sync"]
    assert (shown["state"], shown["last_error"]["errors"]) == ("rejected", refusal["errors"])
    assert shown["last_error"]["kota_trace_id"] == refusal["kota_trace_id"]


async def _stands_at_kota(world: SyncWorld, kind: str, record: dict[str, Any]) -> None:
    (found,) = [item for item in await world.at_kota(kind[:-1]) if item["metadata"]["id"] == "new"]
    assert held_fields(found) == held_by_kota(record, ref="new", employer_id=found.get("employer_id"))
