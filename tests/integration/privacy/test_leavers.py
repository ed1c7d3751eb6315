"""When the data of people who have left is erased by the calendar."""

from datetime import UTC, datetime

import pytest

from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, event, get_employee
from tests.integration.privacy.rows import erase_all, leave
from tests.integration.stack import Stack

UPDATED = event(1, "employee.updated", id=EMPLOYEE_ID, employer_id=EMPLOYER_ID)


@pytest.mark.threat(15)
async def test_leaver_who_is_read_again_unchanged_is_erased_at_the_same_time(stack: Stack) -> None:
    await add_people(stack)
    await leave(stack)
    since = (await get_employee(stack)).kota_status_at
    stack.now = datetime.now(UTC)
    stack.played.resources[f"/employees/{EMPLOYEE_ID}"] = {"id": EMPLOYEE_ID, "status": "inactive"}
    await stack.deliver(UPDATED)
    await stack.process()
    assert (await get_employee(stack)).kota_status_at == since
    assert await erase_all(stack) == 1


@pytest.mark.parametrize("before", [None, "active"])
async def test_time_of_a_leaver_begins_with_the_read_that_first_shows_it(stack: Stack, before: str | None) -> None:
    await add_people(stack)
    await leave(stack, kota_status=before)
    stack.now = datetime.now(UTC)
    stack.played.resources[f"/employees/{EMPLOYEE_ID}"] = {"id": EMPLOYEE_ID, "status": "inactive"}
    await stack.deliver(UPDATED)
    await stack.process()
    assert (await get_employee(stack)).kota_status_at == stack.now
    assert await erase_all(stack) == 0
