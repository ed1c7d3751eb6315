"""Answers of Kota's that are not about the report that was asked for are not believed."""

from collections.abc import Callable
from typing import Any

import pytest

from app.contributions.finalize import finalize
from app.contributions.looking import bring_up_to_date, reader_of
from app.kota import KotaUnreadable
from app.models import ContributionReport
from tests.integration.contributions.conftest import Edited, Payroll
from tests.integration.contributions.lines import line

Edit = Callable[[str, Any], Any]


def report_with(**changes: Any) -> Edit:
    def edit(path: str, answer: Any) -> Any:
        is_report = path.removesuffix("/finalize").rpartition("/")[2].startswith("ctr_")
        return answer | changes if is_report else answer

    return edit


def breakdowns_with(**changes: Any) -> Edit:
    def edit(path: str, answer: Any) -> Any:
        if not path.endswith("/employee_breakdowns"):
            return answer
        return answer | {"items": [item | changes for item in answer["items"]]}

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        report_with(id="ctr_other"),
        report_with(employer_id="er_other"),
        breakdowns_with(contribution_report_id="ctr_other"),
        breakdowns_with(employer_id="er_other"),
    ],
)
async def test_another_report_is_not_read_for_this_one(payroll: Payroll, edit: Edit) -> None:
    report = await payroll.open_report([line(10)])
    before = (await payroll.get(f"/{report}")).json()
    async with payroll.kota_over(Edited(edit)) as services:
        with pytest.raises(KotaUnreadable):
            await reader_of(services).read_now(report)
    row = await payroll.row(report)
    assert (row.digest, row.error_code) == (bytes.fromhex(before["digest"]), "KotaUnreadable")


async def test_another_report_is_not_noted_for_one_that_is_new_here(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    async with payroll.kota_over(Edited(report_with(id="ctr_other"))) as services:
        with pytest.raises(KotaUnreadable):
            await bring_up_to_date(services, report)
    async with payroll.services.sessions() as session:
        assert await session.get(ContributionReport, "ctr_other") is None


async def test_a_report_keeps_its_employer_whatever_a_list_says(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.heard_of(report)
    edit = report_with(employer_id="er_other", last_updated_at="2026-04-05T06:07:08Z")
    async with payroll.kota_over(Edited(edit)) as services:
        await payroll.heard_of(report, services)
    assert (await payroll.row(report)).kota_employer_id == payroll.employer_id


async def test_an_answer_about_another_report_finalizes_nothing_here(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    other = await payroll.open_report([line(20)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    await payroll.get(f"/{other}")
    async with payroll.kota_over(Edited(report_with(id=other), methods={"POST"})) as services:
        await finalize(services, report, digest=digest)
    assert (await payroll.row(report)).status == "finalized"
    assert (await payroll.row(other)).status == "open"
