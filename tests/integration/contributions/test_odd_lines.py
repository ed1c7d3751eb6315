"""One odd line: nothing is stored, the report is free again, and it is tried more and more seldom."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.contributions.looking import bring_up_to_date, reader_of
from app.contributions.reports import LANE
from app.contributions.work import contributions_lane
from app.kota import KotaUnreadable
from app.queue.backoff import Backoff
from app.queue.lanes import run_lane
from tests.integration.contributions.conftest import Edited, Payroll
from tests.integration.contributions.lines import line
from tests.support.metrics import unexpected_errors
from tests.support.waiting import until

LATER = Backoff(first=timedelta(hours=1))


def twice(path: str, answer: Any) -> Any:
    if path.endswith("/employee_breakdowns"):
        for item in answer["items"]:
            item["health_insurance"]["employer_contributions"] *= 2
    return answer


def with_a_nul(path: str, answer: Any) -> Any:
    if path.endswith("/employee_breakdowns"):
        for item in answer["items"]:
            item["currency"] = "eu\x00"
    return answer


@pytest.mark.parametrize("edit", [twice, with_a_nul])
async def test_an_answer_that_cannot_be_stored_is_one_that_cannot_be_read(payroll: Payroll, edit: Any) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.heard_of(report)
    async with payroll.kota_over(Edited(edit)) as services:
        reader = reader_of(services)
        reader.rules = replace(reader.rules, backoff=LATER)
        with pytest.raises(KotaUnreadable):
            await reader.read_now(report)
        row = await payroll.row(report)
        assert (row.error_code, row.lease_token, row.reading) == ("KotaUnreadable", None, None)
        assert not await payroll.is_due_within(timedelta(minutes=1))
        with pytest.raises(KotaUnreadable):
            await bring_up_to_date(services, report)


async def refuse_lines(payroll: Payroll) -> None:
    """What no check of ours foresaw."""
    async with payroll.services.sessions.begin() as session:
        await session.execute(text("ALTER TABLE contribution_lines ADD CONSTRAINT fault CHECK (amount < 0)"))


async def test_a_fault_of_ours_frees_the_report_and_is_backed_off(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await refuse_lines(payroll)
    await payroll.heard_of(report)
    services = payroll.services
    reader = reader_of(services)
    reader.rules = replace(reader.rules, backoff=LATER)
    before, stop = unexpected_errors(LANE), asyncio.Event()
    lane = asyncio.create_task(
        run_lane(contributions_lane(reader), sessions=services.sessions, bell=services.bell, stop=stop)
    )

    async def recorded() -> bool:
        return (await payroll.row(report)).error_code is not None

    await until(recorded)
    stop.set()
    await lane
    row = await payroll.row(report)
    assert (row.error_code, row.lease_token, row.attempts) == ("unexpected:DBAPIError", None, 1)
    assert not await payroll.is_due_within(timedelta(minutes=1))
    assert unexpected_errors(LANE) == before + 1


async def test_a_fault_of_ours_while_somebody_asks_frees_the_report_too(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await refuse_lines(payroll)
    assert (await payroll.get(f"/{report}")).status_code == 500
    row = await payroll.row(report)
    assert (row.error_code, row.lease_token) == ("unexpected:DBAPIError", None)
