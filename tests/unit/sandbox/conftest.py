from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.sandbox.application import Sandbox
from app.sandbox.settings import SandboxSettings
from tests.kota_bodies import employee_body, employer_body

KEY = "pk_test_sandbox"
OpenSandbox = Callable[..., "SandboxClient"]


class SandboxClient(httpx.AsyncClient):
    """Talks to a sandbox in this process."""

    def __init__(self, **settings: Any) -> None:
        self.sandbox = Sandbox.open(SandboxSettings(**settings))
        super().__init__(
            transport=httpx.ASGITransport(self.sandbox),
            base_url="http://sandbox",
            headers={"authorization": f"Bearer {KEY}"},
        )

    async def advance(self, seconds: float) -> None:
        assert (await self.post("/_control/advance", json={"clock_seconds": seconds})).status_code == 200

    async def new_employer(self, **changes: Any) -> dict[str, Any]:
        return await self.created("/employers", employer_body(**changes))

    async def new_employee(self, employer_id: str, **changes: Any) -> dict[str, Any]:
        return await self.created("/employees", employee_body(employer_id, **changes))

    async def created(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        answer = await self.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def read(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


@pytest.fixture
async def open_sandbox() -> AsyncIterator[OpenSandbox]:
    """Opens sandboxes that answer at once and pass no time by themselves."""
    clients: list[SandboxClient] = []

    def opened(**settings: Any) -> SandboxClient:
        clients.append(SandboxClient(**{"answers_late": 0, **settings}))
        return clients[-1]

    yield opened
    for client in clients:
        await client.aclose()
        client.sandbox.world.journal.close()


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxClient:
    return open_sandbox(kind=True)
