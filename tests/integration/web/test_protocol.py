"""Who sends without end, or next to nothing at a time, is cut off; over a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from app.web.protocol import MAX_HEAD, BoundedProtocol
from tests.support.app import Host, RunningApp
from tests.support.wire import exchange, request, served


class Impatient(BoundedProtocol):
    head_within = 0.3
    body_within = 0.3
    take_within = 0.3


@pytest.fixture(scope="module")
async def patient(shared_app: RunningApp) -> AsyncIterator[int]:
    async with served(shared_app, BoundedProtocol) as port:
        yield port


@pytest.fixture(scope="module")
async def impatient(shared_app: RunningApp) -> AsyncIterator[int]:
    async with served(shared_app, Impatient) as port:
        yield port


async def test_ordinary_request_is_answered(patient: int) -> None:
    assert b'{"status":"ok"}' in await exchange(patient, request())


async def test_two_requests_share_a_connection(impatient: int) -> None:
    first = request().replace(b"Connection: close\r\n", b"")
    answer = await exchange(impatient, first, request())
    assert answer.count(b'{"status":"ok"}') == 2


@pytest.mark.threat(7)
@pytest.mark.threat(23)
@pytest.mark.parametrize(
    "chunks",
    [
        [request(b"X-Long: " + b"a" * MAX_HEAD)[:-4]] * 2,
        [b"GET /health/live HTTP/1.1\r\nX: " + b"a" * 20_000, b"a" * 20_000, b"a" * 20_000],
        [b"GET /" + b"a" * 40_000, b"a" * 40_000],
        [request(b"X-Long: " + b"a" * MAX_HEAD)],
        [b"GET / HTTP/1.1\r\n", *[b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(60)]],
    ],
    ids=["long header", "header without an end", "path without an end", "long but whole", "many headers"],
)
async def test_head_without_end_is_cut_off(patient: int, chunks: list[bytes]) -> None:
    answer = await exchange(patient, *chunks)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


@pytest.mark.threat(23)
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\n",
        request().replace(b"Connection: close\r\n", b"") + b"GET /hea",
        b"\r\n",
    ],
    ids=["silence", "half a line", "half a head", "half a second request", "line break"],
)
async def test_slow_head_is_cut_off(impatient: int, sent: bytes) -> None:
    answer = await exchange(impatient, sent)
    assert answer.count(b"HTTP/1.1") == sent.count(b"Host: x\r\n\r\n")


@pytest.mark.threat(23)
async def test_slow_body_is_cut_off(impatient: int, host: Host) -> None:
    credential = host.bearer()["Authorization"].encode()
    headers = (b"Authorization: " + credential, b"Content-Type: application/json", b"Content-Length: 100")
    answer = await exchange(impatient, request(*headers, line=b"POST /sessions HTTP/1.1", body=b"{"))
    assert b"HTTP/1.1 201" not in answer


@pytest.mark.threat(23)
async def test_line_breaks_do_not_keep_a_connection(impatient: int) -> None:
    first = request().replace(b"Connection: close\r\n", b"")
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient)
    writer.write(first)
    await reader.readuntil(b'{"status":"ok"}')
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"\r\n")
                await asyncio.sleep(0.05)
    writer.close()


@pytest.mark.threat(23)
async def test_client_that_takes_no_answer_is_cut_off(impatient: int) -> None:
    loop = asyncio.get_running_loop()

    async def ask_for_ever(client: socket.socket) -> None:
        while True:
            await loop.sock_sendall(client, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", impatient))
        async with asyncio.timeout(30):
            with pytest.raises(ConnectionError):
                await ask_for_ever(client)


POST = b"POST /sessions HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.threat(7)
@pytest.mark.threat(9)
@pytest.mark.parametrize(
    "tail",
    [
        b"0\r\nAuthorization: Bearer x\r\n\r\n",
        b"0\r\nX: " + b"a" * 100_000,
        b"0\r\n" + b"a" * 100_000,
        b"2\r\nhi\r\n0\r\n" + b"A: b\r\n" * 10_000,
    ],
    ids=["credential", "value without end", "name without end", "many"],
)
async def test_trailers_are_neither_taken_nor_kept(patient: int, tail: bytes) -> None:
    answer = await exchange(patient, request(CHUNKED, line=POST), tail)
    assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 400"))
    assert b"HTTP/1.1 201" not in answer


@pytest.mark.parametrize("size", [1, 1_000, 40_000, 100_000])
async def test_chunks_of_any_size_are_taken_wherever_they_are_cut(patient: int, size: int) -> None:
    head = request(CHUNKED, line=b"POST /webhooks/kota HTTP/1.1")
    chunk = b"a" * size + b"\r\n"
    # What follows a chunk's header comes later.
    pieces = [head + b"%x\r\n" % size, *[chunk + b"%x\r\n" % size] * 4, chunk + b"0\r\n", b"\r\n"]
    assert (await exchange(patient, *pieces)).startswith(b"HTTP/1.1 401")


async def test_answer_to_a_trailer_says_what_was_wrong(patient: int) -> None:
    whole = request(CHUNKED, line=POST, body=b"0\r\nAuthorization: Bearer x\r\n\r\n")
    assert b"Trailers are not taken." in await exchange(patient, whole)


SMUGGLED = b"GET /internal/audit HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.threat(9)
@pytest.mark.parametrize(
    "sent",
    [
        request(b"Content-Length: 5", b"Transfer-Encoding: chunked", line=POST, body=b"0\r\n\r\n"),
        request(b"Content-Length: 5", b"Content-Length: 6", line=POST, body=b"hello"),
        request(b"Content-Length: +5", line=POST, body=b"hello"),
        request(b"Content-Length: 5 ", b"Content-Length : 6", line=POST, body=b"hello"),
        request(b"Transfer-Encoding: xchunked", line=POST, body=b"0\r\n\r\n"),
        request(b"Transfer-Encoding: chunked", line=POST, body=b"zz\r\n\r\n"),
        request(b" folded: header"),
        request(b"X-A: a\rX-B: b"),
        request(b"X-A: a\x00b"),
        request(b"X A: a"),
        b"GET /health/live HTTP/1.1\nHost: x\n\n" + b"\x00" * 10,
        b"GET  /health/live  HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /h\xc3\xa9 HTTP/1.1\r\n\r\n",
        request(b"Host: y"),
        request(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 2", line=POST, body=b"{}"),
        b"CONNECT /internal/audit HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health/live\r\n\r\n",
    ],
    ids=[
        "length and chunked",
        "two lengths",
        "signed length",
        "space before the colon",
        "odd transfer encoding",
        "odd chunk",
        "folded header",
        "bare carriage return",
        "NUL in a header",
        "space in a header's name",
        "bare line feeds",
        "two spaces",
        "unknown version",
        "HTTP/2 preface",
        "TLS hello",
        "path that is not ASCII",
        "two hosts",
        "upgrade with a body",
        "tunnel",
        "HTTP/0.9",
    ],
)
async def test_request_that_two_servers_might_read_differently_opens_nothing(patient: int, sent: bytes) -> None:
    answer = await exchange(patient, sent + SMUGGLED, b"\r\n\r\n")
    assert b"HTTP/1.1 20" not in answer.replace(b"HTTP/1.1 200 OK\r\n", b"", answer.count(b'{"status":"ok"}'))
    assert b"HTTP/1.1 5" not in answer
    assert b'"items"' not in answer
