import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.contributions.finalize import ReportBusy, finalize
from app.contributions.reports import LISTS_LAG, Held, hold
from app.models import ContributionReport
from app.queue import leases
from tests.integration.contributions.conftest import Edited, Payroll
from tests.integration.contributions.lines import line
from tests.support.waiting import until


async def taken_by_another(payroll: Payroll, report_id: str) -> Held:
    """As if a worker read it from now on."""
    async with payroll.services.sessions.begin() as session:
        held = await hold(session, report_id, lease=timedelta(minutes=1))
    assert held is not None
    return held


class TakenAtTheEnd(httpx.AsyncBaseTransport):
    """A worker hears of the end, and reads the report, before whoever asked for it has Kota's answer."""

    def __init__(self, payroll: Payroll, report_id: str, *, answered: bool) -> None:
        self._payroll = payroll
        self._report_id = report_id
        self._answered = answered
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._network.handle_async_request(request)
        if request.method == "POST":
            await taken_by_another(self._payroll, self._report_id)
            if not self._answered:
                await answer.aclose()
                raise httpx.ReadError("the connection is gone")
        return answer

    async def aclose(self) -> None:
        await self._network.aclose()


async def finalize_calls(payroll: Payroll) -> int:
    requests = await payroll.sandbox.control("GET", "requests")
    return sum(request["path"].endswith("/finalize") for request in requests)


async def test_what_was_seen_is_frozen(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    answer = await payroll.finalize(report, digest)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["frozen"], answer.json()["digest"]) == ("finalized", False, digest)
    await payroll.read_later(report)
    frozen = (await payroll.get(f"/{report}")).json()
    assert (frozen["frozen"], frozen["digest"]) == (True, digest)
    trail = (await payroll.app.http.get("/internal/audit", headers=payroll.host.service)).json()["items"]
    assert [(row["action"], row["subject"]) for row in trail] == [
        ("contribution_report.finalize", f"contribution_report:{report}")
    ]


async def test_a_line_that_was_added_since_the_look_refuses_it(payroll: Payroll) -> None:
    first = line(10)
    report = await payroll.open_report([first])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    await payroll.set_lines(report, [first, line(5)])
    answer = await payroll.finalize(report, digest)
    assert (answer.status_code, answer.json()["code"]) == (409, "report_changed")
    assert await finalize_calls(payroll) == 0


async def test_a_line_that_no_look_showed_is_in_what_is_frozen(payroll: Payroll) -> None:
    seen = line(10)
    report = await payroll.open_report([seen])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    answer = await payroll.finalize(report, digest)
    assert (answer.status_code, answer.json()["lines"]) == (200, 1)
    # Kota had it before the end, and its list shows it only now.
    await payroll.set_lines(report, [seen, line(5)])
    await payroll.read_later(report)
    frozen = (await payroll.get(f"/{report}")).json()
    assert (frozen["frozen"], frozen["lines"]) == (True, 2)
    assert (await payroll.finalize(report, digest)).json()["code"] == "report_changed"


async def test_a_report_whose_lists_still_show_it_open_was_finalized_all_the_same(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]

    def lagging(path: str, answer: Any) -> Any:
        items = answer["items"] if path.endswith("/employee_breakdowns") else ()
        return answer | {"items": [item | {"status": "open"} for item in items]} if items else answer

    async with payroll.kota_over(Edited(lagging)) as services:
        await finalize(services, report, digest=digest)
    row = await payroll.row(report)
    assert (row.status, row.frozen, row.digest) == ("finalized", False, bytes.fromhex(digest))
    assert await payroll.is_due_within(LISTS_LAG)
    assert await finalize_calls(payroll) == 1


async def test_asking_twice_finalizes_once(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    assert (await payroll.finalize(report, digest)).status_code == 200
    assert (await payroll.finalize(report, digest)).status_code == 200
    assert await finalize_calls(payroll) == 1
    assert (await payroll.finalize(report, 64 * "0")).json()["code"] == "report_changed"


async def test_asking_twice_at_once_finalizes_it_and_fails_nobody(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    answers = await asyncio.gather(*(payroll.finalize(report, digest) for _ in range(4)))
    assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "finalized")}
    # Two that ask at the same moment may both find it open: Kota refuses all but one.
    assert await finalize_calls(payroll) >= 1


async def test_whoever_reads_the_report_is_waited_for(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    held = await taken_by_another(payroll, report)
    taken = (await payroll.row(report)).next_attempt_at
    asked = asyncio.create_task(payroll.finalize(report, digest))

    async def is_asked_for() -> bool:
        return (await payroll.row(report)).next_attempt_at != taken

    await until(is_asked_for)
    async with payroll.services.sessions.begin() as session:
        await leases.release(session, ContributionReport, [held.lease])
    answer = await asked
    assert (answer.status_code, answer.json().get("status")) == (200, "finalized")


async def test_a_report_that_others_read_for_long_is_busy_and_stays_as_it_is(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    await taken_by_another(payroll, report)
    with pytest.raises(ReportBusy):
        await finalize(payroll.services, report, digest=digest, patience=0)
    assert await finalize_calls(payroll) == 0


@pytest.mark.parametrize("answered", [True, False])
async def test_a_worker_that_hears_of_the_end_and_reads_it_for_long_fails_nobody(
    payroll: Payroll, *, answered: bool
) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    transport = TakenAtTheEnd(payroll, report, answered=answered)
    async with payroll.kota_over(transport) as services:
        await finalize(services, report, digest=digest, patience=0)
    row = await payroll.row(report)
    assert (row.status, row.frozen, row.digest) == ("finalized", False, bytes.fromhex(digest))
    assert await finalize_calls(payroll) == 1


async def test_an_answer_that_was_lost_is_looked_up_and_not_repeated(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    fault = {"method": "POST", "path": "/contribution_reports/{contribution_report_id}/finalize", "kind": "drop_after"}
    await payroll.sandbox.control("POST", "faults", fault | {"times": 1})
    answer = await payroll.finalize(report, digest)
    assert (answer.status_code, answer.json().get("status")) == (200, "finalized")
    assert await finalize_calls(payroll) == 1


async def test_a_call_that_never_arrived_is_said_to_have_failed(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    fault = {"method": "POST", "path": "/contribution_reports/{contribution_report_id}/finalize", "kind": "status"}
    await payroll.sandbox.control("POST", "faults", fault | {"status": 500, "times": 1})
    answer = await payroll.finalize(report, digest)
    assert (answer.status_code, answer.json()["code"]) == (503, "kota_unavailable")
    assert (await payroll.finalize(report, digest)).status_code == 200


async def test_a_digest_that_is_none_is_refused(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    answer = await payroll.finalize(report, "no digest")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/digest")
