"""What is written in one turn of the event loop leaves at its end, in one piece."""

import asyncio
from typing import Any

HELD_AT_MOST = 64 * 1024
"""Bytes; a longer piece of an answer does not wait for the end of the turn."""


class TurnWrites(asyncio.Transport):
    """A transport that sends once a turn of the event loop.

    uvicorn writes the head of an answer and its body apart. Each would be a system call here, a packet on the line, and
    a wake-up of the client, which can do nothing with the head alone. And where many are answered in the same turn, as
    after a shared commit, all of them are sent before the first one's next request interrupts.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held += data
        if len(self._held) > HELD_AT_MOST:
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def abort(self) -> None:
        self._held.clear()
        self._transport.abort()

    def _send(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(bytes(self._held))
        self._held.clear()

    # What follows is the transport's own.

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
