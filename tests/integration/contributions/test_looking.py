"""A look at Kota's list before an answer: of what was asked for, and not for long."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from app.contributions.looking import look
from app.contributions.queries import Filter
from tests.integration.contributions.conftest import Edited, Payroll

LIST = "/contribution_reports"


class Silent(httpx.AsyncBaseTransport):
    """Kota takes a request and says nothing."""

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def looks(payroll: Payroll) -> int:
    requests = await payroll.sandbox.control("GET", "requests")
    return sum(request["path"] == LIST for request in requests)


@pytest.mark.parametrize("query", ["", "?status=open", "?external_customer=c", "?employer_ref=acme&year=2026"])
async def test_the_first_page_of_a_list_is_looked_up_at_kota(payroll: Payroll, query: str) -> None:
    report = await payroll.open_report(external_customer_id="c")
    assert [one["id"] for one in (await payroll.get(query)).json()["items"]] == [report]
    assert await looks(payroll) == 1


async def test_a_report_that_is_final_by_now_is_not_listed_as_open(payroll: Payroll) -> None:
    report = await payroll.open_report()
    assert [one["id"] for one in (await payroll.get("?employer_ref=acme&status=open")).json()["items"]] == [report]
    await payroll.sandbox.control("POST", "advance", {"id": report, "status": "finalized"})
    assert (await payroll.get("?employer_ref=acme&status=open")).json()["items"] == []
    assert [one["id"] for one in (await payroll.get("?employer_ref=acme&status=finalized")).json()["items"]] == [report]


async def test_a_list_that_does_not_come_is_not_awaited(payroll: Payroll) -> None:
    async with payroll.kota_over(Silent()) as services, asyncio.timeout(8):
        await look(services, Filter(employer_ref="acme"), within=0.1)


async def test_what_a_page_lists_is_written_in_one_transaction(payroll: Payroll) -> None:
    for _ in range(3):
        await payroll.open_report()
    await look(payroll.services, Filter(employer_ref="acme"))
    async with payroll.services.sessions() as session:
        found = await session.execute(text("SELECT count(*), count(DISTINCT xmin::text) FROM contribution_reports"))
        assert found.one() == (3, 1)


async def test_what_came_before_an_odd_item_is_kept(payroll: Payroll) -> None:
    older = await payroll.open_report(period={"from_date": "2026-03-01", "to_date": "2026-03-31"})
    newer = await payroll.open_report(period={"from_date": "2026-04-01", "to_date": "2026-04-30"})
    items = (await payroll.sandbox.http.get(LIST)).json()["items"]
    assert [item["id"] for item in items] == [newer, older]

    def odd(path: str, answer: dict[str, object]) -> object:
        return answer | {"items": [items[0], {"id": "ctr_odd"}, items[1]]} if path == LIST else answer

    async with payroll.kota_over(Edited(odd)) as services:
        await look(services, Filter(employer_ref="acme"))
    async with payroll.services.sessions() as session:
        assert (await session.execute(text("SELECT id FROM contribution_reports"))).scalars().all() == [newer]
