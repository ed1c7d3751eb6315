"""A confirmation holds for what was shown, for a quarter of an hour, and once."""

import asyncio
import string
from datetime import timedelta

import pytest

from tests.integration.sync.leaving import NOW, REASON, SOON, confirm, offboardings_at_kota, previewed, token_for
from tests.support.records import employee_record, employer_record
from tests.support.sync_world import SyncWorld

LATER = "2999-01-01"


@pytest.mark.usefixtures("e1")
async def test_nobody_is_offboarded_without_a_confirmation(world: SyncWorld) -> None:
    body = {"offboard_on": SOON, **REASON}
    answer = await world.call("POST", "employees/e1/offboarding", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/confirmation_token")
    answer = await world.call("POST", "employers/acme/offboarding", {"confirm_legal_name": "Example Trading Ltd"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/confirmation_token")
    assert await offboardings_at_kota(world) == 0


async def test_confirmation_of_something_else_is_refused(world: SyncWorld, acme: str, e1: str) -> None:
    await world.call("PUT", "employees/e2", employee_record("acme"))
    # An employer may well have the reference of an employee.
    await world.call("PUT", "employers/e1", employer_record())
    of_another = await token_for(world, "employees/e2")
    of_another_day = await token_for(world, offboard_on=LATER)
    of_another_kind = await token_for(world, "employers/e1")
    for token in (of_another, of_another_day, of_another_kind):
        await _is_refused(world, token)
    assert acme
    assert e1


@pytest.mark.usefixtures("e1")
async def test_token_that_is_not_as_it_was_issued_is_refused(world: SyncWorld) -> None:
    token = await token_for(world)
    header, payload, signature = token.split(".")
    other = (await token_for(world, offboard_on=LATER)).split(".")[1]
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    for tampered in (
        "nonsense",
        f"{header}.{payload}.{_flipped(signature)}",
        f"{header}.{_flipped(payload)}.{signature}",
        f"{header}.{other}.{signature}",
        f"{unsigned}.{payload}.",
        f"{header}.{payload}",
    ):
        await _is_refused(world, tampered)
    assert (await confirm(world, token)).status_code == 200


@pytest.mark.usefixtures("e1")
async def test_confirmation_expires_after_a_quarter_of_an_hour(world: SyncWorld) -> None:
    world.at(NOW)
    token = await token_for(world)
    world.at(NOW + timedelta(minutes=15))
    await _is_refused(world, token)
    world.at(NOW + timedelta(minutes=14))
    assert (await confirm(world, token)).status_code == 200


@pytest.mark.usefixtures("e1")
async def test_used_confirmation_is_refused_even_once_all_is_as_it_was_shown(world: SyncWorld) -> None:
    token = await token_for(world)
    assert (await confirm(world, token)).status_code == 200
    await _is_refused(world, token, calls=1)
    assert (await world.call("DELETE", "employees/e1/offboarding")).status_code == 200
    assert (await world.at_kota("employee"))[0]["status"] == "active"
    await _is_refused(world, token, calls=1)
    assert (await world.at_kota("employee"))[0]["status"] == "active"


@pytest.mark.usefixtures("e1")
async def test_used_confirmation_is_refused_in_every_spelling(world: SyncWorld) -> None:
    token = await token_for(world)
    assert (await confirm(world, token)).status_code == 200
    assert (await world.call("DELETE", "employees/e1/offboarding")).status_code == 200
    # The last character of a signature of 32 bytes has two bits that nobody reads.
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = alphabet.index(token[-1])
    for other in range(last - last % 4, last - last % 4 + 4):
        await _is_refused(world, token[:-1] + alphabet[other], calls=1)


@pytest.mark.usefixtures("e1")
async def test_confirmation_that_kota_refused_is_used_up(world: SyncWorld) -> None:
    await world.fault("POST", "/employees/{employee_id}/offboard", "status", status=400, times=1)
    token = await token_for(world)
    assert (await confirm(world, token)).json()["code"] == "rejected_by_kota"
    await _is_refused(world, token, calls=1)


@pytest.mark.parametrize("delay_ms", [0, 200])
async def test_same_confirmation_twice_at_once_is_one_call(world: SyncWorld, e1: str, delay_ms: int) -> None:
    await world.fault("POST", "/employees/{employee_id}/offboard", "delay", delay_ms=delay_ms)
    token = await token_for(world)
    answers = await asyncio.gather(*(confirm(world, token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert {answer.status_code for answer in answers} <= {200, 202, 409, 422}
    assert await offboardings_at_kota(world) == 1
    assert e1


@pytest.mark.usefixtures("e1")
async def test_employers_confirmation_holds_once_and_for_the_employer_that_was_shown(world: SyncWorld) -> None:
    other = (await world.call("PUT", "employers/other", employer_record())).json()["kota_id"]
    await world.sandbox.control("POST", "advance", {"id": other, "status": "active"})
    token = (await previewed(world, "employers/other"))["confirmation_token"]
    body = {"confirmation_token": token, "confirm_legal_name": employer_record()["legal_name"]}
    answer = await world.call("POST", "employers/acme/offboarding", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "confirmation_invalid")
    answers = await asyncio.gather(*(world.call("POST", "employers/other/offboarding", body) for _ in range(3)))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert (await world.call("POST", "employers/other/offboarding", body)).status_code == 422
    assert await offboardings_at_kota(world) == 1


async def test_policy_that_appears_after_the_preview_refuses_the_confirmation(world: SyncWorld, e1: str) -> None:
    token = await token_for(world)
    await world.sandbox.control("POST", "emit", {"type": "policy.active", "data": {"employee_id": e1}})
    shown = (await world.call("POST", "employees/e1/offboarding/preview", {})).json()
    assert len(shown["would_end"]["policies"]) == 1
    answer = await confirm(world, token)
    assert (answer.status_code, answer.json()["code"]) == (409, "preview_changed")
    assert await offboardings_at_kota(world) == 0


async def test_policy_of_an_employee_that_appears_refuses_the_employers_confirmation(world: SyncWorld, e1: str) -> None:
    token = await token_for(world, "employers/acme")
    await world.sandbox.control("POST", "emit", {"type": "policy.scheduled", "data": {"employee_id": e1}})
    body = {"confirmation_token": token, "confirm_legal_name": employer_record()["legal_name"]}
    answer = await world.call("POST", "employers/acme/offboarding", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "preview_changed")
    assert await offboardings_at_kota(world) == 0


async def _is_refused(world: SyncWorld, token: str, *, calls: int = 0) -> None:
    answer = await confirm(world, token)
    assert (answer.status_code, answer.json()["code"]) == (422, "confirmation_invalid")
    assert await offboardings_at_kota(world) == calls


def _flipped(text: str) -> str:
    """With another character in its middle: the last one may hold bits that say nothing."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
