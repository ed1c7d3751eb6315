"""A payroll report from Kota to the file that somebody opens: it moves while open, and never again once frozen."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.contributions.lines import line
from tests.processes import wait_until
from tests.support.records import employee_record, employer_record
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

REPORTS = "/internal/contribution-reports"


class Payroll:
    """The host's payroll backend, and the report that it looks at."""

    def __init__(self, stack: Stack, http: httpx.Client) -> None:
        self._stack = stack
        self._http = http
        self._put("employers/acme", employer_record())
        self.employer_id = self._put("employers/acme", employer_record())["kota_id"]
        self._employee_id = self._put("employees/mary", employee_record("acme"))["kota_id"]
        self.report_id: str = self.seed("contribution_report", {"employer_id": self.employer_id})["id"]

    def _put(self, path: str, record: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.put(f"/internal/{path}", json=record)
        assert answer.status_code in {200, 201}, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def seed(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self._stack.control("POST", "seed", {"kind": kind, "object": content})
        return made

    def set_lines(self, *lines: dict[str, Any]) -> None:
        """What Kota shows from now on, whatever it said before."""
        contributions = {"employer_contributions": list(lines), "employee_contributions": []}
        ids = {"contribution_report_id": self.report_id, "employee_id": self._employee_id}
        self.seed("employee_breakdown", ids | {"currency": "eur", "health_insurance": contributions})

    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = self._http.get(f"{REPORTS}/{self.report_id}").raise_for_status().json()
        return content

    def listed(self) -> dict[str, Any]:
        """The report as it is stored, which reads none of its lines."""
        [report] = self._http.get(REPORTS).raise_for_status().json()["items"]
        found: dict[str, Any] = report
        return found

    def set_and_see(self, *lines: dict[str, Any]) -> dict[str, Any]:
        """The report once it shows `lines`: Kota's lists lag behind."""
        self.set_lines(*lines)
        total = sum(Decimal(str(one["amount"])) for one in lines)
        wait_until(lambda: sum(Decimal(one["amount"]) for one in self.report()["sums"]) == total)
        return self.report()

    def csv(self) -> str:
        path = f"{REPORTS}/{self.report_id}/breakdowns"
        return self._http.get(path, headers={"Accept": "text/csv"}).raise_for_status().text

    def finalize(self, digest: str) -> httpx.Response:
        return self._http.post(f"{REPORTS}/{self.report_id}/finalize", json={"digest": digest})

    def hear_again(self) -> None:
        """Kota tells once more that it is finalized, the host has it told again, and all of it is processed."""
        data = {"id": self.report_id, "employer_id": self.employer_id}
        told = self._stack.control(
            "POST", "emit", {"type": "contribution_report.finalized", "version": "v2", "data": data}
        )
        path = f"/internal/events/{told['id']}"
        wait_until(lambda: self._state_of(path) == "processed")
        assert self._http.post(f"{path}/replay").is_success
        wait_until(lambda: self._state_of(path) == "processed")

    def _state_of(self, path: str) -> str | None:
        answer = self._http.get(path)
        return answer.json()["state"] if answer.is_success else None


def _client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=30)


def test_report_moves_while_open_and_stays_once_frozen_through_a_restart_and_replays(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack") as stack, _client(stack) as http:
        payroll = Payroll(stack, http)
        first = line(100.25)
        seen = payroll.set_and_see(first)
        correction = line(-12.5, adjustment=True, adjustment_for=first["id"], note="=1+1")
        changed = payroll.set_and_see(first, correction)
        assert payroll.finalize(seen["digest"]).json()["code"] == "report_changed"

        finalized = payroll.finalize(changed["digest"])
        assert (finalized.status_code, finalized.json()["frozen"]) == (200, False)
        # A worker does it by itself, once Kota's lists have caught up.
        wait_until(lambda: payroll.listed()["frozen"])
        payroll.hear_again()
        frozen, file = payroll.report(), payroll.csv()
        assert frozen["digest"] == changed["digest"]
        assert "-12.5" in file
        assert "'=1+1" in file

        # What Kota shows now must not find its way into it any more.
        payroll.set_lines(first, correction, line(7_000_000))
        payroll.hear_again()
        for process in (*stack.apis, *stack.workers):
            process.kill()
        stack.postgres.restart()
        for process in (*stack.apis, *stack.workers):
            process.start()
        stack.wait_ready()
        payroll.hear_again()
        assert payroll.report() == frozen
        assert payroll.csv() == file
        assert payroll.finalize(changed["digest"]).status_code == 200
