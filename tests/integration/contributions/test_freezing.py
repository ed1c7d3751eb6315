"""What is frozen is never read again, so nothing may be frozen that Kota might still show otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, update

from app.contributions.looking import reader_of
from app.contributions.reports import LISTS_LAG, hold, record_report
from app.kota import KotaUnreadable
from app.models import ContributionReport
from tests.integration.contributions.conftest import Edited, Payroll
from tests.integration.contributions.lines import line

LONG_AGO = "2026-01-02T03:04:05Z"


def is_report(path: str) -> bool:
    return path.rpartition("/")[2].startswith("ctr_")


def without_its_end(path: str, answer: Any) -> Any:
    """A final report that says not when it ended, and was updated before."""
    return answer | {"finalized_at": None, "last_updated_at": LONG_AGO} if is_report(path) else answer


def ended_long_ago(path: str, answer: Any) -> Any:
    """As Kota's clock looks to a machine whose own is ahead."""
    return answer | {"finalized_at": LONG_AGO} if is_report(path) else answer


def ends_in_an_hour(path: str, answer: Any) -> Any:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return answer | {"finalized_at": later} if is_report(path) else answer


async def seen_final(payroll: Payroll, report: str, *, ago: timedelta) -> None:
    """As if its end had been seen here so long ago."""
    async with payroll.services.sessions.begin() as session:
        values = {"final_seen_at": func.now() - ago}
        await session.execute(update(ContributionReport).where(ContributionReport.id == report).values(values))


async def final_report(payroll: Payroll) -> str:
    report = await payroll.open_report([line(10)])
    await payroll.sandbox.control("POST", "advance", {"id": report, "status": "finalized"})
    return report


@pytest.mark.parametrize("edit", [without_its_end, ended_long_ago])
async def test_whatever_kota_says_of_the_end_its_lists_have_time_to_catch_up(payroll: Payroll, edit: Any) -> None:
    report = await final_report(payroll)
    await payroll.heard_of(report)
    async with payroll.kota_over(Edited(edit)) as services:
        for _ in range(2):
            assert await reader_of(services).read_now(report) is not None
            assert not (await payroll.row(report)).frozen
        assert await payroll.is_due_within(LISTS_LAG)
        await seen_final(payroll, report, ago=LISTS_LAG)
        assert await reader_of(services).read_now(report) is not None
    assert (await payroll.row(report)).frozen


async def test_an_end_that_kota_sees_later_than_we_is_awaited(payroll: Payroll) -> None:
    report = await final_report(payroll)
    await payroll.heard_of(report)
    await seen_final(payroll, report, ago=timedelta(days=1))
    async with payroll.kota_over(Edited(ends_in_an_hour)) as services:
        assert await reader_of(services).read_now(report) is not None
    assert not (await payroll.row(report)).frozen
    # A report is large: it is not read all the time until then.
    assert not await payroll.is_due_within(timedelta(minutes=50))


async def test_a_report_that_was_final_before_its_end_was_noted_is_not_frozen_at_once(payroll: Payroll) -> None:
    report = await final_report(payroll)
    await payroll.heard_of(report)
    async with payroll.services.sessions.begin() as session:
        await session.execute(update(ContributionReport).values(final_seen_at=None))
    async with payroll.kota_over(Edited(ended_long_ago)) as services:
        assert await reader_of(services).read_now(report) is not None
    row = await payroll.row(report)
    assert (row.frozen, row.final_seen_at is None) == (False, False)


async def test_breakdowns_of_another_status_than_their_report_are_not_believed(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    before = (await payroll.get(f"/{report}")).json()

    def of_yesterday(path: str, answer: Any) -> Any:
        return answer | {"status": "finalized"} if is_report(path) else answer

    async with payroll.kota_over(Edited(of_yesterday)) as services:
        with pytest.raises(KotaUnreadable):
            await reader_of(services).read_now(report)
    row = await payroll.row(report)
    assert (row.digest, row.error_code) == (bytes.fromhex(before["digest"]), "KotaUnreadable")


async def test_breakdowns_without_a_status_are_read(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.heard_of(report)

    def older(path: str, answer: Any) -> Any:
        if not path.endswith("/employee_breakdowns"):
            return answer
        return answer | {"items": [{k: v for k, v in item.items() if k != "status"} for item in answer["items"]]}

    async with payroll.kota_over(Edited(older)) as services:
        found = await reader_of(services).read_now(report)
    assert found is not None
    assert found.lines == 1


async def test_a_reading_that_began_before_the_end_does_not_undo_it(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.heard_of(report)
    final = await payroll.services.kota.get_contribution_report(report)
    final = final.model_copy(update={"status": "finalized", "finalized_at": datetime.now(UTC)})
    async with payroll.services.sessions.begin() as session:
        held = await hold(session, report, lease=timedelta(minutes=1))
    async with payroll.services.sessions.begin() as session:
        await record_report(session, final)
    assert held is not None
    assert await reader_of(payroll.services).read(held) is not None
    row = await payroll.row(report)
    assert (row.status, row.finalized_at, row.frozen) == ("finalized", final.finalized_at, False)
    assert await payroll.is_due_within(LISTS_LAG)


async def test_the_host_is_told_of_a_final_report_once_and_when_it_is_frozen(payroll: Payroll) -> None:
    report = await final_report(payroll)
    # Nobody tells of it: the lane notices by itself.
    for _ in range(2):
        await payroll.heard_of(report)
        await payroll.get(f"/{report}")
        assert await payroll.told() == []
    await payroll.read_later(report)
    [(told, version, content)] = await payroll.told()
    assert (told, version) == (f"contribution_report/{report}", 1)
    assert content
    shown = (await payroll.get(f"/{report}")).json()
    assert content == {
        "id": report,
        "employer_id": payroll.employer_id,
        "employer_ref": "acme",
        "external_customer_id": None,
        "period": {"from_date": shown["period_from"], "to_date": shown["period_to"]},
        "status": "finalized",
        "finalized_at": shown["finalized_at"],
    }
    await payroll.heard_of(report)
    await payroll.read_due()
    await payroll.get(f"/{report}")
    assert [version for _, version, _ in await payroll.told()] == [1]


async def test_the_host_is_told_of_a_report_that_it_finalized_itself(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    assert (await payroll.finalize(report, digest)).status_code == 200
    assert await payroll.told() == []
    await payroll.read_later(report)
    assert [told for told, _, _ in await payroll.told()] == [f"contribution_report/{report}"]
