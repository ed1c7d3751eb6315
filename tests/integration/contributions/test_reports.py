import asyncio
import csv
import io
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from app.contributions.looking import reader_of
from app.contributions.reports import LISTS_LAG, hold
from app.kota import KotaUnreachable
from app.kota.limiter import CallClass
from app.models import ContributionLine, ContributionReport
from app.queue.backoff import Backoff
from tests.integration.contributions.conftest import Payroll
from tests.integration.contributions.lines import line

MARCH = {"from_date": "2026-03-01", "to_date": "2026-03-31"}
APRIL = {"from_date": "2026-04-01", "to_date": "2026-04-30"}


async def test_reports_are_listed_by_employer_and_period(payroll: Payroll) -> None:
    march = await payroll.open_report(period=MARCH)
    april = await payroll.open_report(period=APRIL)
    assert [report["id"] for report in (await payroll.get("?employer_ref=acme")).json()["items"]] == [april, march]
    found = (await payroll.get("?employer_ref=acme&year=2026&month=3&status=open")).json()["items"]
    assert [(report["id"], report["employer_ref"]) for report in found] == [(march, "acme")]
    assert (await payroll.get("?employer_ref=other")).json()["items"] == []
    assert (await payroll.get("?employer_ref=acme&status=finalized")).json()["items"] == []


async def test_a_list_is_paged(payroll: Payroll) -> None:
    wanted = [await payroll.open_report(period=MARCH) for _ in range(3)]
    found: list[str] = []
    cursor = ""
    while True:
        page = (await payroll.get(f"?employer_ref=acme&limit=2{cursor}")).json()
        found += [report["id"] for report in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(found) == sorted(wanted)


async def test_sums_keep_signs_and_currencies_apart(payroll: Payroll) -> None:
    report = await payroll.open_report(
        [line(80.4), line(-12.07, adjustment=True), line(0.001), line(-0.5, category="tax_relief")]
    )
    shown = (await payroll.get(f"/{report}")).json()
    assert [(one["category"], one["adjustment"], one["amount"]) for one in shown["sums"]] == [
        ("gross_premium", False, "80.401"),
        ("gross_premium", True, "-12.07"),
        ("tax_relief", False, "-0.5"),
    ]
    assert {one["currency"] for one in shown["sums"]} == {"eur"}
    assert shown["lines"] == 4


async def test_an_open_report_that_changes_is_shown_changed(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    before = (await payroll.get(f"/{report}")).json()
    await payroll.set_lines(report, [line(11)])
    after = (await payroll.get(f"/{report}")).json()
    assert before["sums"][0]["amount"] == "10"
    assert after["sums"][0]["amount"] == "11"
    assert before["digest"] != after["digest"]
    assert await lines_stored(payroll) == 1


async def test_equal_lines_have_equal_digests(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10), line(20)])
    assert (await payroll.get(f"/{report}")).json()["digest"] == (await payroll.get(f"/{report}")).json()["digest"]


async def test_lines_are_paged_and_name_their_employee(payroll: Payroll) -> None:
    report = await payroll.open_report([line(1), line(2), line(3)])
    first = (await payroll.get(f"/{report}/breakdowns?limit=2")).json()
    second = (await payroll.get(f"/{report}/breakdowns?limit=2&cursor={first['next_cursor']}")).json()
    items = first["items"] + second["items"]
    assert sorted(item["amount"] for item in items) == ["1", "2", "3"]
    assert {item["employee_ref"] for item in items} == {"mary"}
    assert first["digest"] == second["digest"]
    assert second["next_cursor"] is None


async def test_a_correction_names_the_report_of_the_line_that_it_corrects(payroll: Payroll) -> None:
    original = line(10)
    march = await payroll.open_report([original], period=MARCH)
    april = await payroll.open_report([line(-10, adjustment=True, adjustment_for=original["id"])], period=APRIL)
    await payroll.get(f"/{march}")
    (item,) = (await payroll.get(f"/{april}/breakdowns")).json()["items"]
    assert (item["adjustment_for"], item["adjusts_report_id"]) == (original["id"], march)


async def test_csv_has_a_row_a_line_and_is_harmless_in_a_spreadsheet(payroll: Payroll) -> None:
    report = await payroll.open_report([line(-12.5, adjustment=True, note="=HYPERLINK(1)"), line(0.3)], period=MARCH)
    answer = await payroll.get(f"/{report}/breakdowns", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert sorted((row["amount"], row["note"]) for row in rows) == [("-12.5", "'=HYPERLINK(1)"), ("0.3", "")]
    assert {(row["employer_ref"], row["employee_ref"], row["period_from"]) for row in rows} == {
        ("acme", "mary", "2026-03-01")
    }
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal("-12.2")


async def test_notes_are_not_readable_in_the_database(payroll: Payroll) -> None:
    report = await payroll.open_report([line(1, note="a note that nobody may read")])
    assert (await payroll.get(f"/{report}/breakdowns")).json()["items"][0]["note"] == "a note that nobody may read"
    async with payroll.services.engine.connect() as connection:
        row = await connection.exec_driver_sql("SELECT contribution_lines::text FROM contribution_lines")
        assert "nobody" not in str(row.scalar_one())


async def test_while_kota_is_away_a_report_is_shown_as_it_was_read(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    before = (await payroll.get(f"/{report}")).json()
    await payroll.sandbox.control(
        "POST", "faults", {"method": "GET", "path": "*", "kind": "status", "status": 503, "times": 999}
    )
    assert (await payroll.get(f"/{report}")).json() == before
    assert (await payroll.get("?employer_ref=acme")).json()["items"][0]["id"] == report


async def test_a_report_that_nobody_knows_is_404(payroll: Payroll) -> None:
    assert (await payroll.get("/ctr_unknown")).status_code == 404
    assert (await payroll.get("/ctr_unknown/breakdowns")).status_code == 404
    assert (await payroll.finalize("ctr_unknown", 64 * "0")).status_code == 404


async def test_an_event_of_a_finalized_report_freezes_its_lines(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.get(f"/{report}")
    await payroll.sandbox.control("POST", "advance", {"id": report, "status": "finalized"})
    await payroll.heard_of(report)
    await payroll.read_due()
    assert await payroll.is_due_within(LISTS_LAG)
    await payroll.read_later(report)
    frozen = (await payroll.get(f"/{report}")).json()
    assert (frozen["status"], frozen["frozen"]) == ("finalized", True)
    await payroll.set_lines(report, [line(99)])
    await payroll.heard_of(report)
    await payroll.read_due()
    assert (await payroll.get(f"/{report}")).json() == frozen


async def test_a_report_is_not_frozen_while_kotas_lists_may_lag(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.sandbox.control("POST", "advance", {"id": report, "status": "finalized"})
    # Whoever heard of it may well look at once, and more than once.
    for _ in range(3):
        shown = (await payroll.get(f"/{report}")).json()
        assert (shown["status"], shown["lines"], shown["frozen"]) == ("finalized", 1, False)
    await payroll.set_lines(report, [line(10), line(20)])
    await payroll.read_later(report)
    frozen = (await payroll.get(f"/{report}")).json()
    assert (frozen["lines"], frozen["frozen"]) == (2, True)
    await payroll.set_lines(report, [line(99)])
    assert (await payroll.get(f"/{report}")).json() == frozen


async def test_one_reads_a_report_at_a_time(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.get(f"/{report}")
    async with payroll.services.sessions.begin() as session:
        held = await hold(session, report, lease=timedelta(minutes=1))
    assert held is not None
    assert await reader_of(payroll.services).read_now(report) is None


async def test_a_reading_that_takes_too_long_is_a_failure_and_is_backed_off(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    await payroll.heard_of(report)
    reader = reader_of(payroll.services)
    reader.rules = replace(reader.rules, lease=timedelta(seconds=0.3), backoff=Backoff(first=timedelta(hours=1)))
    limiter = payroll.services.kota.limiter
    async with AsyncExitStack() as others:
        for _ in range(limiter.allowed(CallClass.READ)):
            await others.enter_async_context(limiter.slot(CallClass.READ, operation="GET /policies"))
        with pytest.raises(KotaUnreachable):
            await asyncio.wait_for(reader.read_now(report), timeout=10)
    async with payroll.services.sessions() as session:
        failed = await session.get(ContributionReport, report)
    assert failed
    assert (failed.error_code, failed.lease_token) == ("KotaUnreachable", None)
    assert not await payroll.is_due_within(timedelta(minutes=1))


async def test_a_reader_that_lost_its_lease_leaves_nothing_behind(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    before = (await payroll.get(f"/{report}")).json()
    async with payroll.services.sessions.begin() as session:
        held = await hold(session, report, lease=timedelta(minutes=1))
        assert held is not None
        await session.execute(
            update(ContributionReport).values(lease_token=func.gen_random_uuid(), lease_until=func.now())
        )
    await payroll.set_lines(report, [line(11)])
    assert await reader_of(payroll.services).read(held) is None
    assert await lines_stored(payroll) == 1
    async with payroll.services.sessions.begin() as session:
        assert (await session.scalars(select(ContributionReport.digest))).one() == bytes.fromhex(before["digest"])


async def lines_stored(payroll: Payroll) -> int:
    async with payroll.services.sessions.begin() as session:
        return (await session.scalars(select(func.count()).select_from(ContributionLine))).one()
