"""A Kota that answers as a test says, handed to the client as its transport."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from app.kota import Attempt, KotaClient, Limiter, RetryPolicy, Timeouts

API_URL = "https://kota.example"
API_KEY = "pk_test_" + "made-up-key"


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Kota:
    """Answers with what it was given, the last one for ever; remembers what it was asked."""

    def __init__(self, answers: Iterable[httpx.Response | Exception] | Callable[[httpx.Request], httpx.Response]):
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self._answers = answers if callable(answers) else list(answers)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        if callable(self._answers):
            return self._answers(request)
        answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        # A response can be read once; the last answer may be given many times.
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def last_body(self) -> Any:
        return json.loads(self.bodies[-1])


def client_of(
    kota: Kota,
    *,
    time: FakeTime | None = None,
    limiter: Limiter | None = None,
    read_retry: RetryPolicy | None = None,
    timeouts: Timeouts | None = None,
    max_response_bytes: int = 1024 * 1024,
    observe: Callable[[Attempt], None] | None = None,
) -> KotaClient:
    time = time or FakeTime()
    http = httpx.AsyncClient(
        base_url=API_URL,
        headers={"Authorization": f"Bearer {API_KEY}"},
        transport=httpx.MockTransport(kota.handle),
    )
    return KotaClient(
        http,
        limiter=limiter,
        read_retry=read_retry,
        timeouts=timeouts,
        max_response_bytes=max_response_bytes,
        observe=observe,
        sleep=time.sleep,
        clock=time.clock,
        jitter=lambda: 0.5,
    )


def ok(content: Any) -> httpx.Response:
    return httpx.Response(200, json=content)


def problem(status: int, *, headers: dict[str, str] | None = None, **content: Any) -> httpx.Response:
    return httpx.Response(
        status,
        json={"status": status, "title": "made up", **content},
        headers={"content-type": "application/problem+json", **(headers or {})},
    )


def page(items: list[Any], *, total: int | None = None, more: bool | None = False, number: int = 1) -> httpx.Response:
    content: dict[str, Any] = {
        "items": items,
        "page": number,
        "page_size": len(items),
        "total_count": len(items) if total is None else total,
    }
    if more is not None:
        content["has_next_page"] = more
    return ok(content)
