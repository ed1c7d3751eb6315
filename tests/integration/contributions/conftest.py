from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.contributions.looking import reader_of
from app.contributions.reports import record_report
from app.contributions.work import contributions_lane
from app.kota import NO_RETRY, open_client
from app.models import ContributionReport, OutboxMessage
from app.services import Services
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, register, store
from tests.support.app import Host, RunningApp, RunningSandbox, running_app, running_sandbox, settings_for

REPORTS = "/internal/contribution-reports"


class Edited(httpx.AsyncBaseTransport):
    """Kota at the sandbox, with answers to these methods as `edit(path, answer)` makes them."""

    def __init__(self, edit: Callable[[str, Any], Any], *, methods: Collection[str] = ("GET",)) -> None:
        self._edit = edit
        self._methods = methods
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._network.handle_async_request(request)
        await answer.aread()
        if request.method not in self._methods:
            return answer
        return httpx.Response(answer.status_code, json=self._edit(request.url.path, answer.json()))

    async def aclose(self) -> None:
        await self._network.aclose()


@dataclass
class Payroll:
    """An employer with one employee at the sandbox, known to the application, and the host's payroll backend."""

    app: RunningApp
    sandbox: RunningSandbox
    host: Host
    employer_id: str
    employee_id: str

    @property
    def services(self) -> Services:
        services: Services = self.app.app.state.services
        return services

    async def get(self, path: str = "", **options: Any) -> httpx.Response:
        headers = self.host.service | options.pop("headers", {})
        return await self.app.http.get(f"{REPORTS}{path}", headers=headers, **options)

    async def finalize(self, report_id: str, digest: str) -> httpx.Response:
        path = f"{REPORTS}/{report_id}/finalize"
        return await self.app.http.post(path, headers=self.host.service, json={"digest": digest})

    async def open_report(self, lines: list[dict[str, Any]] | None = None, **report: Any) -> str:
        """A new report at the sandbox; with `lines`, these are all that the employer pays."""
        made = await self.seed("contribution_report", {"employer_id": self.employer_id} | report)
        if lines is not None:
            await self.set_lines(made["id"], lines)
        return str(made["id"])

    async def set_lines(self, report_id: str, lines: list[dict[str, Any]], *, currency: str = "eur") -> None:
        contributions = {"employer_contributions": lines, "employee_contributions": []}
        ids = {"contribution_report_id": report_id, "employee_id": self.employee_id}
        await self.seed("employee_breakdown", ids | {"currency": currency, "health_insurance": contributions})

    async def seed(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self.sandbox.control("POST", "seed", {"kind": kind, "object": content})
        return answer

    async def heard_of(self, report_id: str, services: Services | None = None) -> None:
        """What an event of a report leads to."""
        report = await (services or self.services).kota.get_contribution_report(report_id)
        async with self.services.sessions.begin() as session:
            await record_report(session, report)

    async def read_later(self, report_id: str) -> None:
        """What the worker's lane does once Kota's lists have caught up."""
        reader = reader_of(self.services)
        reader.rules = replace(reader.rules, lists_lag=timedelta(0))
        assert await reader.read_now(report_id) is not None

    @asynccontextmanager
    async def kota_over(self, transport: httpx.AsyncBaseTransport) -> AsyncIterator[Services]:
        """The application's parts, with another way to Kota."""
        key = self.app.settings.kota_api_key.get_secret_value()
        kota = open_client(api_url=self.sandbox.url, api_key=key, read_retry=NO_RETRY, transport=transport)
        async with kota:
            yield replace(self.services, kota=kota)

    async def row(self, report_id: str) -> ContributionReport:
        """The report as it is stored."""
        async with self.services.sessions() as session:
            return await session.get_one(ContributionReport, report_id)

    async def told(self) -> list[tuple[str, int, dict[str, Any] | None]]:
        """What the host is told: the object, its version and its content."""
        async with self.services.sessions() as session:
            messages = await session.scalars(select(OutboxMessage).order_by(OutboxMessage.object))
            return [(message.object, message.version, message.content) for message in messages]

    async def is_due_within(self, time: timedelta) -> bool:
        """Whether the worker's lane will read a report soon."""
        async with self.services.sessions() as session:
            soon = ContributionReport.next_attempt_at <= func.now() + time
            return bool(await session.scalar(select(func.count()).select_from(ContributionReport).where(soon)))

    async def read_due(self) -> None:
        """What the worker's lane does."""
        lane = contributions_lane(reader_of(self.services))
        async with self.services.sessions.begin() as session:
            held = await lane.claim(session, 10)
        for one in held:
            await lane.work(one)


@pytest.fixture
async def payroll(new_database: NewDatabase) -> AsyncIterator[Payroll]:
    host = Host()
    async with running_sandbox() as sandbox:
        settings = settings_for(new_database(), host=host, kota_api_url=sandbox.url)
        async with running_app(settings) as app:
            employer_id, employee_id = await register(sandbox)
            await store(
                app,
                employer_row("acme", kota_id=employer_id),
                employee_row("mary", "acme", kota_id=employee_id),
            )
            yield Payroll(app, sandbox, host, employer_id, employee_id)
