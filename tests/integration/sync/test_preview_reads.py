"""Unknown is never shown as none: whichever read of a preview fails, there is no preview, and no offboarding."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.kota import NO_RETRY, Timeouts, open_client
from app.web.dependencies import get_kota
from tests.databases import NewDatabase
from tests.integration.sync.leaving import confirm, offboardings_at_kota, previewed, token_for
from tests.support.app import API_KEY
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld, sync_world

COVER = (
    "policy.active",
    "employee.health_insurance.policy.activated",
    "enrolment_intent.processing",
    "associated_person.updated",
)
OF_EMPLOYEE = {
    "/employees/{id}",
    "/policies",
    "/employees/{id}/health_insurance/policies",
    "/enrolment_intents",
    "/employees/{id}/associated_persons",
    "/policies/{id}/policy_amendment_intents",
}
OF_EMPLOYER = {
    "/employers/{id}",
    "/employees",
    "/group_policies",
    "/employers/{id}/health_insurance/policies",
} | OF_EMPLOYEE - {"/employees/{id}"}
FAILURES: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 404},
    {"kind": "status", "status": 429},
    {"kind": "garbage"},
    {"kind": "drop_after"},
    {"kind": "delay", "delay_ms": 400},
]


@pytest.fixture
async def covered(new_database: NewDatabase) -> AsyncIterator[SyncWorld]:
    """A world in which e1 has something of everything that a preview shows, and previews read everything once only."""
    async with sync_world(new_database()) as world:
        acme = (await world.call("PUT", "employers/acme", employer_record())).json()["kota_id"]
        kota_id = (await world.call("PUT", "employees/e1", employee_record("acme"))).json()["kota_id"]
        for type_ in COVER:
            await world.sandbox.control("POST", "emit", {"type": type_, "data": {"employee_id": kota_id}})
        for id_ in (acme, kota_id):
            await world.sandbox.control("POST", "advance", {"id": id_, "status": "active"})
        (policy,) = await world.at_kota("policy")
        amendment = {"policy_id": policy["id"], "employee_id": kota_id}
        await world.sandbox.control("POST", "emit", {"type": "policy_amendment_intent.processing", "data": amendment})
        # From here on only previews and confirmations call Kota.
        await world.stop_worker()
        impatient = open_client(
            api_url=world.sandbox.url, api_key=API_KEY, timeouts=Timeouts(read=0.2), read_retry=NO_RETRY
        )
        async with impatient as kota:
            world.give(get_kota, kota)
            yield world


@pytest.mark.parametrize(
    ("path", "reads"), [("employees/e1", OF_EMPLOYEE), ("employers/acme", OF_EMPLOYER)], ids=["employee", "employer"]
)
async def test_every_single_failing_read_fails_the_preview(covered: SyncWorld, path: str, reads: set[str]) -> None:
    shown = (await previewed(covered, path))["would_end"]
    of_employee = shown if path == "employees/e1" else shown["employees"][0]
    assert {name for name, value in of_employee.items() if value == []} == set()
    called = await _reads(covered, path)
    assert {_template(read) for read in called} == reads
    for read in called:
        for failure in FAILURES:
            await covered.fault("GET", read, **failure)
            answer = await covered.call("POST", f"{path}/offboarding/preview", {})
            assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable"), (read, failure)
            assert "confirmation_token" not in answer.json()
            await covered.sandbox.control("DELETE", "faults")
    assert (await previewed(covered, path))["would_end"] == shown


async def test_every_single_failing_read_fails_the_confirmation(covered: SyncWorld) -> None:
    token = await token_for(covered)
    for read in await _reads(covered, "employees/e1"):
        await covered.fault("GET", read, "status", status=500)
        answer = await confirm(covered, token)
        assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable"), read
        await covered.sandbox.control("DELETE", "faults")
    assert await offboardings_at_kota(covered) == 0
    # What failed to be read used nothing up.
    assert (await confirm(covered, token)).status_code == 200


async def _reads(world: SyncWorld, path: str) -> list[str]:
    """The paths that a preview reads."""
    before = len(await world.requests("GET", "*"))
    await previewed(world, path)
    return sorted({call["path"] for call in (await world.requests("GET", "*"))[before:]})


def _template(path: str) -> str:
    return "/".join("{id}" if part.partition("_")[0] in {"ee", "er", "p"} else part for part in path.split("/"))
