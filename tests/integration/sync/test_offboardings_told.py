"""The host is told once of each change of a status, whoever learns of it first."""

import asyncio
from typing import Any

from app.kota import open_client
from app.models import KotaResource, OutboxMessage
from app.web.dependencies import get_kota
from tests.integration.sync.leaving import confirm, previewed, read_again, resolve, token_for
from tests.support.app import API_KEY
from tests.support.records import employer_record
from tests.support.sync_world import SyncWorld
from tests.support.waiting import until


async def test_host_is_told_of_an_offboarding_and_of_its_cancellation_once_each(world: SyncWorld, e1: str) -> None:
    before = await _version(world)
    assert (await confirm(world, await token_for(world))).status_code == 200
    assert await _told(world) == (before + 1, "active", "offboarding")
    await _is_read(world, "employee", e1)
    assert await _told(world) == (before + 1, "active", "offboarding")
    assert (await world.call("DELETE", "employees/e1/offboarding")).status_code == 200
    assert await _told(world) == (before + 2, "offboarding", "active")
    await _is_read(world, "employee", e1)
    assert await _told(world) == (before + 2, "offboarding", "active")


async def test_host_is_told_of_an_employers_offboarding_once(world: SyncWorld, acme: str, e1: str) -> None:
    await read_again(world, acme, kind="employer")
    await world.until("employers/acme", kota_status="active")
    before = await _version(world, "employer_status/acme")
    token = (await previewed(world, "employers/acme"))["confirmation_token"]
    body = {"confirmation_token": token, "confirm_legal_name": employer_record()["legal_name"]}
    assert (await world.call("POST", "employers/acme/offboarding", body)).status_code == 200
    assert await _told(world, "employer_status/acme") == (before + 1, "active", "inactive")
    await _is_read(world, "employer", acme)
    assert await _version(world, "employer_status/acme") == before + 1
    assert e1


async def test_host_is_told_once_of_what_was_read_before_its_outcome_was_known(world: SyncWorld, e1: str) -> None:
    before = await _version(world)
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_after", times=1)
    assert (await confirm(world, await token_for(world))).status_code == 202
    await read_again(world, e1)
    await world.until("employees/e1", kota_status="offboarding")
    await world.stop_worker()
    await resolve(world)
    assert await _told(world) == (before + 1, "active", "offboarding")


async def test_host_is_told_once_of_an_outcome_that_was_found_out(world: SyncWorld, e1: str) -> None:
    await world.stop_worker()
    before = await _version(world)
    await world.fault("POST", "/employees/{employee_id}/offboard", "drop_after", times=1)
    assert (await confirm(world, await token_for(world))).status_code == 202
    await resolve(world)
    assert await _told(world) == (before + 1, "active", "offboarding")
    world.start_worker()
    await _is_read(world, "employee", e1)
    assert await _told(world) == (before + 1, "active", "offboarding")


async def test_read_that_began_before_an_offboarding_takes_nothing_back(world: SyncWorld, e1: str) -> None:
    before = await _version(world)
    token = await token_for(world)
    asked = len(await world.requests("GET", f"/employees/{e1}"))
    # Kota shows what was there before, and its answer arrives after.
    await world.fault("GET", f"/employees/{e1}", "delay", delay_ms=900, times=1)
    await read_again(world, e1)

    async def is_asked() -> bool:
        return len(await world.requests("GET", f"/employees/{e1}")) > asked

    await until(is_asked)
    assert (await confirm(world, token)).status_code == 200
    await _is_read(world, "employee", e1)
    assert await _told(world) == (before + 1, "active", "offboarding")


async def test_answer_that_arrives_late_takes_back_nothing_that_was_read_meanwhile(world: SyncWorld, e1: str) -> None:
    before = await _version(world)
    token = await token_for(world)
    await world.fault("POST", f"/employees/{e1}/offboard", "delay", delay_ms=2000, times=1)
    async with open_client(api_url=world.sandbox.url, api_key=API_KEY) as patient:
        world.give(get_kota, patient)
        confirming = asyncio.create_task(confirm(world, token))

        async def is_asked() -> bool:
            return bool(await world.requests("POST", f"/employees/{e1}/offboard"))

        await until(is_asked)
        await world.sandbox.control("POST", "advance", {"id": e1, "status": "inactive"})
        await read_again(world, e1)
        await world.until("employees/e1", kota_status="inactive")
        assert (await confirming).json()["state"] == "accepted"
    assert await _told(world) == (before + 1, "active", "inactive")
    await _is_read(world, "employee", e1)
    assert await _told(world) == (before + 1, "active", "inactive")


async def _told(world: SyncWorld, object: str = "employee_status/e1") -> tuple[int, Any, Any]:
    """The version of the newest message, and from which status to which."""
    async with world.services.sessions() as session:
        message = await session.get_one(OutboxMessage, object)
    content = message.content or {}
    return message.version, content.get("kota_status_before"), content.get("kota_status")


async def _version(world: SyncWorld, object: str = "employee_status/e1") -> int:
    return (await _told(world, object))[0]


async def _is_read(world: SyncWorld, kind: str, kota_id: str) -> None:
    """Until a record was read after all that marked it."""

    async def is_clean() -> bool:
        async with world.services.sessions() as session:
            resource = await session.get_one(KotaResource, (kind, kota_id))
        return resource.clean_seq == resource.dirty_seq

    await until(is_clean)
