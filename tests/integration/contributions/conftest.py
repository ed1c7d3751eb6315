from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.contributions.looking import reader_of
from app.contributions.reading import LISTS_LAG
from app.contributions.reports import record_report
from app.contributions.work import contributions_lane
from app.models import ContributionReport
from app.services import Services
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, register, store
from tests.support.app import Host, RunningApp, RunningSandbox, running_app, running_sandbox, settings_for

REPORTS = "/internal/contribution-reports"


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

    async def heard_of(self, report_id: str) -> None:
        """What an event of a report leads to."""
        report = await self.services.kota.get_contribution_report(report_id)
        async with self.services.sessions.begin() as session:
            await record_report(session, report)

    async def read_later(self, report_id: str) -> None:
        """What the worker's lane does once Kota's lists have caught up."""
        reader = reader_of(self.services, clock=lambda: datetime.now(UTC) + LISTS_LAG)
        assert await reader.read_now(report_id) is not None

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
