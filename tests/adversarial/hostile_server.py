"""A server that does to our clients what a server can do."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import count


@cache
def bomb() -> bytes:
    """Some hundred bytes that become 300 MB of nothing if they are unpacked twice."""
    packer = zlib.compressobj(9, wbits=31)
    inner = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
    return gzip.compress(inner, 9)


class HostileServer:
    """Answers every request in one way, and counts those that really came."""

    def __init__(self, misdeed: str = "", *, elsewhere: str = "") -> None:
        self.misdeed = misdeed
        self.elsewhere = elsewhere
        self.requests: list[bytes] = []
        self.sent = 0
        self.url = ""
        self._bomb = bomb() if misdeed == "bomb" else b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            async for chunk in self._answer():
                writer.write(chunk)
                await writer.drain()
                self.sent += len(chunk)
        writer.close()

    async def _answer(self) -> AsyncIterator[bytes]:
        match self.misdeed:
            case "redirect":
                yield f"HTTP/1.1 307 Go\r\nLocation: {self.elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
            case "drip":
                yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
                for _ in count():
                    yield b" "
                    await asyncio.sleep(0.05)
            case "drip of headers":
                yield b"HTTP/1.1 200 OK\r\n"
                for number in count():
                    yield b"X-%d: y\r\n" % number
                    await asyncio.sleep(0.05)
            case "silence":
                await asyncio.sleep(60)
            case "endless":
                yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                for _ in count():
                    yield b" " * 65_536
            case "endless head":
                yield b"HTTP/1.1 200 OK\r\nX: "
                for _ in count():
                    yield b"y" * 65_536
            case "bomb":
                head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n"
                yield head % len(self._bomb) + self._bomb
            case _:
                yield b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def listening(server: HostileServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[HostileServer]:
    """Over a real socket of this machine."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
