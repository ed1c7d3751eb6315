"""Acme HR's backend, as far as benefits go: it sends its companies and people, and signs them in."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from app.dev.demo.people import COMPANIES, PEOPLE, Person, company_record, person_record
from app.dev.tokens import sign_frontend_token
from app.errors import Conflict
from app.settings import Settings

SIGNED_IN_FOR = timedelta(minutes=15)
API_URL, SERVICE_KEY, SANDBOX_URL = "DEMO_API_URL", "DEMO_SERVICE_KEY", "DEMO_SANDBOX_URL"

# What the sandbox is told to make happen, by whom it concerns.
ASKS: Mapping[str, tuple[str, str]] = {
    "employee": ("enrolment_intent.action_required", "employee_id"),
    "employer": ("employer.health_insurance.quote.action_required", "employer_id"),
}


class NotDemonstrable(Conflict):
    """The demo cannot do this now."""

    code = "demo_not_possible"


@dataclass
class DemoHost:
    """`api_url` and `service_key` lead to kota-bff, `sandbox_url` to what stands in for Kota."""

    api_url: str
    service_key: str
    sandbox_url: str
    _sent: bool = False
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises KeyError: only `kota-bff dev` sets these."""
        return cls(environment[API_URL], environment[SERVICE_KEY], environment[SANDBOX_URL])

    async def send_everybody(self) -> None:
        """Once a process. Nothing waits for Kota: what that looks like is part of the demo."""
        async with self._sending, self._client() as client:
            if self._sent:
                return
            for company in COMPANIES:
                await _put(client, f"/internal/employers/{company.ref}", company_record(company))
            for person in PEOPLE.values():
                if not person.new:
                    await self._put_person(client, person)
            self._sent = True

    async def hire(self, person: Person) -> None:
        """What HR's click on "Send to Kota" does."""
        async with self._client() as client:
            await self._put_person(client, person)

    async def is_sent(self, person: Person) -> bool:
        async with self._client() as client:
            answer = await client.get(f"/internal/employees/{person.ref}")
        return answer.status_code == httpx.codes.OK

    async def let_kota_ask(self, person: Person, *, audience: str) -> None:
        """An action is now required at Kota of this person, or of their company."""
        kind, ref = ("employees", person.ref) if audience == "employee" else ("employers", person.company.ref)
        async with self._client() as client:
            answer = await client.get(f"/internal/{kind}/{ref}")
        kota_id = answer.json().get("kota_id") if answer.is_success else None
        if kota_id is None:
            raise NotDemonstrable("Kota does not have them yet.")
        event_type, id_name = ASKS[audience]
        emit = {"type": event_type, "version": "v2", "data": {id_name: kota_id}}
        async with httpx.AsyncClient(base_url=self.sandbox_url, trust_env=False) as sandbox:
            (await sandbox.post("/_control/emit", json=emit)).raise_for_status()

    def _client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.service_key}"}
        return httpx.AsyncClient(base_url=self.api_url, headers=headers, timeout=30, trust_env=False)

    async def _put_person(self, client: httpx.AsyncClient, person: Person) -> None:
        await _put(client, f"/internal/employees/{person.ref}", person_record(person))


def sign_in(settings: Settings, person: Person, *, employer_ref: str | None, now: datetime | None = None) -> str:
    """The JWT that Acme HR gives to the browser of a signed-in person; `employer_ref` is for showing a wrong one."""
    return sign_frontend_token(
        settings,
        employer=employer_ref or person.company.ref,
        employee=person.ref,
        audiences=person.audiences,
        external_customer=None,
        subject=f"acme-hr:{person.ref}",
        now=now or datetime.now(UTC),
        lifetime=SIGNED_IN_FOR,
    )


async def _put(client: httpx.AsyncClient, path: str, record: dict[str, Any]) -> None:
    answer = await client.put(path, json=record, headers={"Prefer": "respond-async"})
    answer.raise_for_status()
