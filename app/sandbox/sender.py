"""Posts to one address over one connection that stays open: a hundred lines that cost a tenth of a general client."""

import asyncio
import ssl
from urllib.parse import urlsplit


class Unanswered(Exception):
    """The other side could not be reached, did not answer in time or did not speak HTTP."""


class Sender:
    """One request at a time. Opens its connection when needed and again when the other side has closed it."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self.url = url
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._head = f"POST {target} HTTP/1.1\r\nhost: {host}:{self._port}\r\nconnection: keep-alive\r\n"
        self._timeout = timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, body: bytes, *, headers: dict[str, str]) -> int:
        """The status of the answer. Raises Unanswered."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{self._head}{lines}content-length: {len(body)}\r\n\r\n".encode() + body
        reused = self._writer is not None
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._exchange(request)
                except (OSError, asyncio.IncompleteReadError):
                    if not reused:
                        raise
                    # An idle connection was closed by the other side; a second delivery does no harm.
                    self.close()
                    return await self._exchange(request)
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Unanswered from error
        except asyncio.CancelledError:
            self.close()
            raise

    async def _exchange(self, request: bytes) -> int:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        self._writer.write(request)
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0" if status in (204, 304) else None)
        if length is None or headers.get("connection", "").lower() == "close":
            # Nothing in the body matters, so a body of unknown length just ends the connection.
            self.close()
        else:
            await self._reader.readexactly(int(length))
        return status

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
