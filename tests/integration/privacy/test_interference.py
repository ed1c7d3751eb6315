"""Erasure beside others who work on the same rows, and where the database refuses one person."""

import asyncio

import pytest
from sqlalchemy import select, text

from app.models import Employee, KotaEvent
from app.models.employee import IS_TOMBSTONE
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, event
from tests.integration.events.test_lock_order import WAITING
from tests.integration.events.test_processing import route
from tests.integration.privacy.rows import erase, erase_all, leave
from tests.integration.stack import Stack
from tests.support.metrics import unexpected_errors
from tests.support.waiting import until


async def test_erasure_waits_for_the_end_of_a_read_with_nothing_in_its_hands(stack: Stack) -> None:
    await add_people(stack)
    await leave(stack)
    await stack.deliver(event(1, "employee.updated", id=EMPLOYEE_ID, employer_id=EMPLOYER_ID))
    await route(stack)
    async with stack.sessions.begin() as reading:
        # A read ends with its events first, and the record after them.
        await reading.scalar(select(KotaEvent).where(KotaEvent.id == "evt_1").with_for_update())
        erasing = asyncio.create_task(erase(stack))

        async def waits() -> bool:
            return bool(await reading.scalar(WAITING))

        await until(waits)
        record = select(Employee).where(Employee.ref == "mary").with_for_update(nowait=True)
        assert await reading.scalar(record) is not None
    await erasing


FAULT = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{}'; END$$
"""
FOR_MARY = "CREATE TRIGGER fail BEFORE UPDATE ON employees FOR EACH ROW WHEN (OLD.ref = 'mary') EXECUTE FUNCTION fail()"


async def add_leavers(stack: Stack, *, sqlstate: str) -> None:
    """`mary`, whom the database fails with `sqlstate`, and `nora` after her."""
    await add_people(stack)
    await leave(stack)
    async with stack.sessions.begin() as session:
        record = {"desired": {}, "desired_digest": b"d", "employer_ref": "acme", "kota_id": "ee_2"}
        session.add(Employee(ref="nora", **record))
        await session.execute(text(FAULT.format(sqlstate)))
        await session.execute(text(FOR_MARY))
    await leave(stack, "nora")


async def tombstones(stack: Stack) -> list[str]:
    async with stack.sessions() as session:
        return list(await session.scalars(select(Employee.ref).where(IS_TOMBSTONE)))


@pytest.mark.threat(15)
@pytest.mark.parametrize(
    ("sqlstate", "counted"),
    [("40P01", 0), ("55P03", 0), ("57014", 0), ("23514", 1)],
    ids=["deadlock", "lock not to be had", "took too long", "refused"],
)
async def test_person_who_cannot_be_erased_now_holds_up_nobody(stack: Stack, sqlstate: str, counted: int) -> None:
    await add_leavers(stack, sqlstate=sqlstate)
    before = unexpected_errors("erase leavers")
    assert await erase_all(stack) == 1
    assert await tombstones(stack) == ["nora"]
    assert unexpected_errors("erase leavers") - before == counted


async def test_run_ends_where_the_database_is_gone(stack: Stack) -> None:
    await add_leavers(stack, sqlstate="57P01")
    with pytest.raises(Exception, match="made up"):
        await erase_all(stack)
    assert await tombstones(stack) == []
