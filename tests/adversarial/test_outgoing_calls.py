"""Whom the service calls, and what those can do to it: the same for its three clients, each as it is really opened."""

import asyncio
import base64
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.auth.signing_keys import JWKSKeys, open_http
from app.errors import Unavailable
from app.kota import NO_RETRY, KotaUnreachable, KotaUnreadable, Timeouts, open_client
from app.outbox.delivery import MAX_ANSWER, Message, NotDelivered, open_host
from tests.adversarial.hostile_server import HostileServer, listening
from tests.support.app import API_KEY
from tests.support.tls import self_signed

pytestmark = pytest.mark.threat(17)

SECRET = base64.b64encode(b"made up for these tests").decode()
MESSAGE = Message("notification/1", 1, "notification.opened", {}, datetime(2026, 3, 2, tzinfo=UTC))
WITHIN = 0.5


class Refused(Exception):
    """What each client makes of an answer that it does not take."""


async def call_kota(url: str) -> None:
    timeouts = Timeouts(read=WITHIN, write=WITHIN)
    async with open_client(api_url=url, api_key=API_KEY, timeouts=timeouts, read_retry=NO_RETRY) as kota:
        try:
            await kota.get("/employers")
        except (KotaUnreachable, KotaUnreadable) as error:
            raise Refused from error


async def fetch_keys(url: str) -> None:
    async with open_http() as http:
        try:
            await JWKSKeys(url, http=http, max_age=timedelta(minutes=1)).find("k1")
        except Unavailable as error:
            raise Refused from error


async def tell_host(url: str) -> None:
    async with open_host(url=url, secret=SECRET, within=timedelta(seconds=WITHIN)) as host:
        try:
            await host.deliver(MESSAGE, now=datetime.now(UTC))
        except NotDelivered as error:
            raise Refused from error


Call = Callable[[str], Awaitable[None]]
every_client = pytest.mark.parametrize("call", [call_kota, fetch_keys, tell_host])


@every_client
async def test_redirect_is_not_followed(call: Call) -> None:
    async with listening(HostileServer()) as elsewhere, listening(HostileServer("redirect")) as server:
        server.elsewhere = elsewhere.url
        with pytest.raises(Refused):
            await call(server.url)
    assert len(server.requests) == 1
    assert elsewhere.requests == []


@every_client
async def test_proxies_of_the_environment_are_not_used(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(HostileServer()) as proxy, listening(HostileServer()) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        # An answer of {} is one that only the host takes.
        await asyncio.gather(call(server.url), return_exceptions=True)
    assert len(server.requests) == 1
    assert proxy.requests == []


@every_client
async def test_certificate_that_nobody_vouches_for_ends_the_call(call: Call, tmp_path: Path) -> None:
    async with listening(HostileServer(), self_signed(tmp_path)) as server:
        with pytest.raises(Refused):
            await call(server.url)
    assert server.requests == []


@every_client
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_environment_does_not_say_whom_to_believe(
    call: Call, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = self_signed(tmp_path)
    file = tmp_path / "self-signed.pem"
    monkeypatch.setenv(variable, str(file if variable == "SSL_CERT_FILE" else tmp_path))
    async with listening(HostileServer(), tls) as server:
        with pytest.raises(Refused):
            await call(server.url)
    assert server.requests == []


@every_client
@pytest.mark.parametrize("misdeed", ["drip", "drip of headers", "silence"])
async def test_answer_that_never_ends_is_given_up(call: Call, misdeed: str) -> None:
    async with listening(HostileServer(misdeed)) as server, asyncio.timeout(20):
        if call is tell_host and misdeed == "drip":
            # The host took the message, and the rest of what it says is waited for no longer than that.
            await call(server.url)
        else:
            with pytest.raises(Refused):
                await call(server.url)


@every_client
@pytest.mark.parametrize("misdeed", ["endless", "endless head", "bomb"])
async def test_answer_of_any_size_is_not_kept(call: Call, misdeed: str) -> None:
    async with listening(HostileServer(misdeed)) as server, asyncio.timeout(20):
        tracemalloc.start()
        if call is tell_host and misdeed != "endless head":
            # The host took the message: whatever else it says is not read.
            await call(server.url)
        else:
            with pytest.raises(Refused):
                await call(server.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # Kota's largest answer may have 32 MiB, and is copied once.
    assert peak < 100_000_000


async def test_what_the_host_answers_is_read_as_far_as_its_bound(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(HostileServer("endless")) as server:
        await tell_host(server.url)
    # What lies in the buffers of both sides was sent as well.
    assert server.sent < MAX_ANSWER + 8_000_000
    assert caplog.records == []


async def test_each_client_asks_for_what_it_can_bound() -> None:
    async with listening(HostileServer()) as server:
        for call in (call_kota, fetch_keys, tell_host):
            await asyncio.gather(call(server.url), return_exceptions=True)
    asked = [
        next(line for line in head.lower().splitlines() if line.startswith(b"accept-encoding"))
        for head in server.requests
    ]
    assert asked == [b"accept-encoding: gzip", b"accept-encoding: identity", b"accept-encoding: identity"]


async def test_answer_packed_twice_is_not_unpacked_even_if_it_is_small() -> None:
    for packing in ("gzip, gzip", "deflate", "br", "zstd", "compress"):
        answer = httpx.Response(200, headers={"content-encoding": packing}, stream=Unread())
        transport = httpx.MockTransport(lambda _request, answer=answer: answer)
        async with open_client(api_url="https://kota.test", api_key=API_KEY, transport=transport) as kota:
            with pytest.raises(KotaUnreadable, match="a content encoding not asked for"):
                await kota.create_employer(b"{}", idempotency_key="k")


class Unread(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("nothing of it is read")
        yield b""
