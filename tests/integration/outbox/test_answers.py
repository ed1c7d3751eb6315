"""What counts as taken: the host's status, and not what comes of its body."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from app.outbox.delivery import Message, NotDelivered, open_host

SECRET = base64.b64encode(b"made up for these tests").decode()
MESSAGE = Message("notification/1", 1, "notification.opened", {}, datetime(2026, 3, 2, tzinfo=UTC))
BADLY_ENDED = {
    "cut short": b"Content-Length: 10\r\n\r\nok",
    "cut between chunks": b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "no chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@asynccontextmanager
async def answering(answer: bytes, *, stays: bool = False) -> AsyncIterator[str]:
    """A server that reads a request and answers with these bytes; one that `stays` does not hang up after them."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        # Whoever hangs up on what was not read may take back what was answered.
        await reader.readexactly(len(MESSAGE.body()))
        writer.write(answer)
        await writer.drain()
        if stays:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        over.set()
        server.close()


async def deliver(url: str, *, within: float = 5) -> None:
    async with open_host(url=url, secret=SECRET, within=timedelta(seconds=within)) as host:
        await host.deliver(MESSAGE, now=datetime.now(UTC))


@pytest.mark.parametrize("rest", BADLY_ENDED.values(), ids=BADLY_ENDED)
async def test_message_was_taken_though_the_body_of_the_answer_ends_badly(rest: bytes) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n" + rest) as url:
        await deliver(url)


@pytest.mark.parametrize("within", [0.3, 60])
async def test_message_was_taken_though_the_answer_never_ends(within: float) -> None:
    async with answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nok", stays=True) as url:
        async with asyncio.timeout(10):
            await deliver(url, within=within)


@pytest.mark.parametrize("rest", BADLY_ENDED.values(), ids=BADLY_ENDED)
async def test_refusal_is_known_by_its_status_however_it_ends(rest: bytes) -> None:
    async with answering(b"HTTP/1.1 503 Later\r\n" + rest) as url:
        with pytest.raises(NotDelivered) as refused:
            await deliver(url)
    assert refused.value.code == "status_503"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"no HTTP\r\n\r\n"])
async def test_answer_without_a_status_is_none(answer: bytes) -> None:
    async with answering(answer) as url:
        with pytest.raises(NotDelivered):
            await deliver(url)
