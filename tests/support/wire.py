"""The application behind a real socket, and bytes that no client library would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from app.web.protocol import SERVER_OPTIONS, BoundedProtocol
from tests.support.app import RunningApp


@asynccontextmanager
async def served(app: RunningApp, protocol: type[BoundedProtocol] = BoundedProtocol) -> AsyncIterator[int]:
    """The port on which `app` is served as `kota-bff serve` does it."""
    server = uvicorn.Server(uvicorn.Config(app.app, port=0, lifespan="off", **{**SERVER_OPTIONS, "http": protocol}))
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by a flag
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def exchange(port: int, *chunks: bytes) -> bytes:
    """All that comes back until the server hangs up, or 10 s."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def request(*headers: bytes, line: bytes = b"GET /health/live HTTP/1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: x", b"Connection: close", *headers, b"", body])
