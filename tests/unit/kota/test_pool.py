import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.kota import KotaUnreachable, open_client
from app.kota.pool import ConnectionStack
from tests.support.tls import self_signed
from tests.unit.kota.kota_double import API_KEY

ANSWER = b'{"id": "er_1"}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Server:
    """A bare HTTP server that counts its connections. It can hold answers back, break off, or close after one."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.ended = 0
        self.broken = False
        self.closes = False
        self.hold = asyncio.Event()
        self.hold.set()
        self._asked = asyncio.Semaphore(0)
        self._gone = asyncio.Semaphore(0)
        self._tls = tls

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        self._server.close()
        while self.ended < self.connections:
            await self.gone()

    async def asked(self, times: int) -> None:
        for _ in range(times):
            await self._asked.acquire()

    async def gone(self) -> None:
        await self._gone.acquire()
        self.ended += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self._asked.release()
                await self.hold.wait()
                if self.broken:
                    return
                writer.write(HEAD % len(ANSWER) + ANSWER)
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            self._gone.release()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


async def test_calls_one_after_the_other_share_a_connection(server: Server) -> None:
    async with open_client(api_url=server.url, api_key=API_KEY) as client:
        for _ in range(5):
            assert (await client.get_employer("er_1")).id == "er_1"
    assert server.connections == 1


async def test_calls_at_once_have_a_connection_each_and_leave_it_for_the_next(server: Server) -> None:
    async with open_client(api_url=server.url, api_key=API_KEY) as client:
        for _ in range(3):
            server.hold.clear()
            calls = [asyncio.create_task(client.create_employer(b"{}", idempotency_key="k")) for _ in range(4)]
            await server.asked(4)
            server.hold.set()
            await asyncio.gather(*calls)
    assert server.connections == 4


async def test_a_connection_that_the_server_closed_is_opened_again(server: Server) -> None:
    server.closes = True
    async with open_client(api_url=server.url, api_key=API_KEY) as client:
        for _ in range(3):
            await client.get_employer("er_1")
            await server.gone()
    assert server.connections == 3


async def test_a_connection_that_broke_is_opened_again(server: Server) -> None:
    async with open_client(api_url=server.url, api_key=API_KEY) as client:
        server.broken = True
        with pytest.raises(KotaUnreachable, match="RemoteProtocolError"):
            await client.create_employer(b"{}", idempotency_key="k")
        server.broken = False
        await client.create_employer(b"{}", idempotency_key="k")
    assert server.connections == 2


async def test_a_cancelled_call_does_not_lend_its_answer_to_the_next(server: Server) -> None:
    async with open_client(api_url=server.url, api_key=API_KEY) as client:
        server.hold.clear()
        call = asyncio.create_task(client.create_employer(b"{}", idempotency_key="k"))
        await server.asked(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.hold.set()
        await client.create_employer(b"{}", idempotency_key="k")
    assert server.connections == 2


async def test_nobody_at_home_cannot_have_happened() -> None:
    async with open_client(api_url="http://127.0.0.1:1", api_key=API_KEY) as client:
        with pytest.raises(KotaUnreachable) as unreachable:
            await client.create_employer(b"{}", idempotency_key="k")
    assert not unreachable.value.may_have_happened


class Connection(httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Breaking(), request=request)

    async def aclose(self) -> None:
        self.closed = True


class Breaking(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half"
        raise httpx.ReadError("reset")

    async def aclose(self) -> None:
        raise httpx.ReadError("reset while closing")


async def test_a_connection_whose_answer_breaks_off_is_closed_and_never_taken_again() -> None:
    opened: list[Connection] = []

    def open_one() -> Connection:
        opened.append(Connection())
        return opened[-1]

    async with httpx.AsyncClient(transport=ConnectionStack(open_one)) as http:
        for _ in range(3):
            with pytest.raises(httpx.ReadError):
                await http.get("https://kota.example")
    assert [connection.closed for connection in opened] == [True, True, True]


async def test_a_host_with_a_certificate_of_its_own_making_is_told_nothing(tmp_path: Path) -> None:
    async with Server(self_signed(tmp_path)) as server, open_client(api_url=server.url, api_key=API_KEY) as client:
        with pytest.raises(KotaUnreachable, match="ConnectError") as unreachable:
            await client.create_employer(b"{}", idempotency_key="k")
    assert not unreachable.value.may_have_happened
    assert server.connections == 0
