"""A sandbox whose every answer is judged by Kota's OpenAPI document."""

from typing import Any

import httpx

from app.sandbox.application import Sandbox
from app.sandbox.routes import kota_router
from app.sandbox.settings import SandboxSettings
from tests.contract.kota_openapi import KotaOpenAPI


class JudgedSandbox(httpx.AsyncClient):
    """Unknown members are part of its manners, unknown values in enums are switched off."""

    def __init__(self, openapi: KotaOpenAPI, **settings: Any) -> None:
        self.openapi = openapi
        self.templates: set[str] = set()
        self._router = kota_router()
        self.sandbox = Sandbox.open(SandboxSettings(**{"answers_late": 0, "drift": 1e-9, "list_lag": 0, **settings}))
        super().__init__(
            transport=httpx.ASGITransport(self.sandbox),
            base_url="http://sandbox",
            headers={"authorization": "Bearer pk_test_sandbox"},
            event_hooks={"response": [self._judge]},
        )

    async def called(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        answer = await self.request(method, path, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def _judge(self, answer: httpx.Response) -> None:
        path = answer.request.url.path
        if path.startswith("/_control/"):
            return
        routes, _ = self._router.find(path)
        template = routes[answer.request.method].template
        self.templates.add(f"{answer.request.method} {template}")
        await answer.aread()
        body = answer.json() if answer.content else None
        faults = self.openapi.answer_faults(
            body, method=answer.request.method, template=template, status=answer.status_code
        )
        assert not faults, (template, faults, body)
