"""HTTP/1.1 with bounds that uvicorn's fast protocol lacks: how large a head may grow, how long a request may take."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 32 * 1024
"""Bytes of a request's line and headers together."""
HEAD_WITHIN = 20.0
"""Seconds from connecting, or from the first byte of a further request, to the end of its head."""
BODY_WITHIN = 120.0
"""Seconds for a body: that of the largest batch, over a slow line."""


class BoundedProtocol(HttpToolsProtocol):
    """Cuts off whoever sends without end, or next to nothing at a time."""

    head_within = HEAD_WITHIN
    body_within = BODY_WITHIN

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = True
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._give(self.head_within)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The parser keeps an unfinished header to itself, so what came is counted here.
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._give(self.head_within)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            # The parser makes a 400 of it.
            raise ValueError("the request's head is too large")
        self._give(self.body_within)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._give(None)
        super().on_message_complete()

    def _give(self, seconds: float | None) -> None:
        """Time until the connection is cut, in place of what was given before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
