import asyncio
from typing import Any

from app.contributions.finalize import finalize
from app.contributions.reports import LISTS_LAG
from tests.integration.contributions.conftest import Payroll
from tests.integration.contributions.lines import line


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

    async with payroll.kota_that(lagging) as services:
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


async def test_asking_twice_at_once_finalizes_it_and_fails_nobody_wrongly(payroll: Payroll) -> None:
    report = await payroll.open_report([line(10)])
    digest = (await payroll.get(f"/{report}")).json()["digest"]
    answers = await asyncio.gather(*(payroll.finalize(report, digest) for _ in range(4)))
    outcomes = {(answer.status_code, answer.json().get("code")) for answer in answers}
    assert outcomes <= {(200, None), (409, "report_busy")}
    assert (200, None) in outcomes


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
