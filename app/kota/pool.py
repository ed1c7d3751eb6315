"""Connections to Kota, kept open and taken from the top of a stack.

httpx's own pool looks at every connection, down to its socket, whenever a call starts or ends: at twenty calls in
flight that costs more than the calls. A stack of pools of one connection each looks at one, and the connections used
most stay warm. How many there are is the limiter's business.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30)


class ConnectionStack(httpx.AsyncBaseTransport):
    """A transport that gives each request the connection that was used last, or a new one from `open_one`."""

    def __init__(self, open_one: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._open_one = open_one
        self._all: list[httpx.AsyncBaseTransport] = []
        self._idle: list[httpx.AsyncBaseTransport] = []
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._discard(connection)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - httpx has one type for both kinds
        response.stream = _Body(
            response.stream,
            release=lambda: self._idle.append(connection),
            discard=lambda: self._discard(connection),
        )
        return response

    async def aclose(self) -> None:
        for connection in self._all:
            await connection.aclose()
        await asyncio.gather(*self._closing)

    def _discard(self, connection: httpx.AsyncBaseTransport) -> None:
        """What was cut off in the middle may never answer again, and on a stack it would be the next one taken."""
        self._all.remove(connection)
        closing = asyncio.create_task(_close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _open(self) -> httpx.AsyncBaseTransport:
        connection = self._open_one()
        self._all.append(connection)
        return connection


async def _close(connection: httpx.AsyncBaseTransport) -> None:
    with suppress(httpx.HTTPError, OSError):  # It is broken, and nobody uses it any more.
        await connection.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, whose end sets its connection free."""

    def __init__(
        self, stream: httpx.AsyncByteStream, *, release: Callable[[], None], discard: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._release = release
        self._discard = discard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        # httpx closes a body once, whoever asks for it.
        try:
            await self._stream.aclose()
        except BaseException:
            self._discard()
            raise
        self._release()


def open_connections() -> ConnectionStack:
    """Connections over the network: TLS verified, nothing read from the machine's environment."""
    tls: ssl.SSLContext = httpx.create_ssl_context(trust_env=False)
    return ConnectionStack(lambda: httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=_ONE))
