"""A network that stops carrying anything without saying so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class FreezingProxy:
    """Carries connections on 127.0.0.1 to `port`, until it freezes those that are open."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._carriers: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.connections = 0

    def freeze(self) -> None:
        """What is open stays open and hears nothing more. New connections are carried."""
        for carrier in self._carriers:
            carrier.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["FreezingProxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.freeze()
            for writer in self._writers:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        for source, target in ((reader, far_writer), (far_reader, writer)):
            carrier = asyncio.create_task(_carry(source, target))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()
