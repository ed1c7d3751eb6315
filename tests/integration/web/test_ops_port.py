"""The worker's health and metrics are bounded like everything else that listens."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from app.dev.ports import free_port
from app.services import open_services
from app.web.protocol import MAX_HEAD
from app.worker import ops_server
from tests.support.app import Host, settings_for
from tests.support.wire import exchange, request


@pytest.fixture(scope="module")
async def port(database_url: str, host: Host) -> AsyncIterator[int]:
    settings = settings_for(database_url, host=host, ops_port=free_port())
    async with AsyncExitStack() as stack:
        services = await open_services(stack, settings, application_name="test")
        await stack.enter_async_context(ops_server(services, stack))
        yield settings.ops_port


async def test_health_is_for_anybody_and_metrics_for_a_key(port: int, host: Host) -> None:
    credential = b"Authorization: " + host.service["Authorization"].encode()
    metrics = b"GET /metrics HTTP/1.1"

    assert b'"status":"ok"' in await exchange(port, request(line=b"GET /health/ready HTTP/1.1"))
    assert (await exchange(port, request(line=metrics))).startswith(b"HTTP/1.1 401")
    answer = await exchange(port, request(credential, line=metrics))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"kota_bff_http_requests_total" in answer
    assert b"\r\nserver:" not in answer.lower()


@pytest.mark.threat(23)
@pytest.mark.parametrize(
    "sent",
    [
        request(b"X-Long: " + b"a" * MAX_HEAD),
        request(b"Host: y"),
        request(b"Transfer-Encoding: chunked", body=b"0\r\nAuthorization: Bearer x\r\n\r\n"),
        request(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 1", body=b"x"),
        b"GET /" + b"a" * 40_000,
    ],
    ids=["long head", "two hosts", "trailer", "upgrade with a body", "path without end"],
)
async def test_what_the_api_refuses_is_refused_here(port: int, sent: bytes) -> None:
    answer = await exchange(port, sent)
    assert answer.startswith(b"HTTP/1.1 400"), answer


async def test_other_routes_are_not_there(port: int) -> None:
    for path in (b"/internal/audit", b"/sessions", b"/openapi.json", b"/docs"):
        assert (await exchange(port, request(line=b"GET " + path + b" HTTP/1.1"))).startswith(b"HTTP/1.1 404")
