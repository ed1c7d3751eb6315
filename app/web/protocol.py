"""HTTP/1.1 with bounds that uvicorn's fast protocol lacks: how large a head may grow, how long each side may take, and
what two servers might read differently."""

import asyncio
import json
from collections.abc import Iterable
from secrets import token_hex
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import AppError, MalformedRequest
from app.web.security_headers import SECURITY_HEADERS
from app.web.transport import TurnWrites

log = structlog.get_logger("app.web")

MAX_HEAD = 32 * 1024
"""Bytes of a request's line and headers together."""
HEAD_WITHIN = 20.0
"""Seconds from connecting, or from the first byte of a further request, to the end of its head."""
BODY_WITHIN = 120.0
"""Seconds for a body: that of the largest batch, over a slow line."""
TAKE_WITHIN = 60.0
"""Seconds in which a client takes the next 48 KiB of an answer."""
VERSIONS = {"1.0", "1.1"}


class BoundedProtocol(HttpToolsProtocol):
    """Cuts off whoever sends without end, next to nothing at a time, or does not take what was asked for."""

    head_within = HEAD_WITHIN
    body_within = BODY_WITHIN
    take_within = TAKE_WITHIN

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = True
        self._in_tail = False
        self._got_on = False
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._why: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(TurnWrites(transport, self.loop))
        self._give(self.head_within)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give(None)
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._got_on = False
        super().data_received(data)
        if self._timer is None and getattr(self.cycle, "response_complete", True):
            # Line breaks that begin no request stopped the clock of an idle connection.
            self._give(self.head_within)
        # The parser keeps an unfinished header to itself, so what came is counted here: not what ended something else.
        if (self._in_head or self._in_tail) and not self._got_on and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._in_tail, self._head = True, False, 0
        self._give(self.head_within)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # uvicorn would put it among the headers: a credential that no proxy has seen.
            raise self._refusal("Trailers are not taken.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        # The parser makes a 400 of what is raised here.
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            raise self._refusal("The request's head is too large.")
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise self._refusal("There is more than one Host.")
        if any(name == b"transfer-encoding" and value.strip().lower() != b"chunked" for name, value in self.headers):
            # Where a proxy knows another encoding than the parser, the two see different bodies.
            raise self._refusal("Only chunked is a transfer encoding here.")
        if self.parser.get_http_version() not in VERSIONS:
            raise self._refusal("Speak HTTP/1.1.")
        if self.parser.should_upgrade():
            self._refuse_ambiguous_upgrade()
        self._give(self.body_within)
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # Whatever follows may be meant for another protocol.
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """The parser's word that a chunk begins. After the last one, which has no body, come the trailers."""
        self._in_tail, self._got_on, self._head = True, True, 0

    def on_body(self, body: bytes) -> None:
        self._in_tail, self._got_on = False, True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_tail, self._got_on = False, True
        self._give(None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self.loop.call_later(self.take_within, self._cut)

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._cut()

    def send_400_response(self, msg: str) -> None:
        error, request_id = MalformedRequest(self._why or msg), token_hex(16)
        log.info("web.request.refused", request_id=request_id, reason=error.detail)
        self.transport.write(_refusal(error, request_id=request_id, headers=self.server_state.default_headers))
        self.transport.close()

    def _refusal(self, why: str) -> ValueError:
        """An exception that the parser makes a 400 of."""
        self._why = why
        return ValueError(why)

    def _refuse_ambiguous_upgrade(self) -> None:
        """The parser takes the body of a request for an upgrade for the next request."""
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)
        if has_body or self.parser.get_method() == b"CONNECT":
            raise self._refusal("Send no body with an Upgrade header. For Java: HttpClient.Version.HTTP_1_1.")

    def _give(self, seconds: float | None) -> None:
        """Time until the connection is cut, in place of what was given before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._cut)

    def _taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
        self._taking = None

    def _cut(self) -> None:
        if self.transport.get_write_buffer_size():
            # Closing would wait for a client that takes nothing.
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()


def _refusal(error: AppError, *, request_id: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The last answer on a connection, as `app.web.problems` writes it and `app.web.middleware` completes it.

    Not by means of these: the supervisor of several processes imports this module, and must not begin to count.
    """
    body = json.dumps(
        {
            "type": f"urn:kota-bff:problem:{error.code}",
            "title": error.title(),
            "status": error.status,
            "detail": error.detail,
            "code": error.code,
            "request_id": request_id,
        }
    ).encode()
    lines = [
        *headers,
        *SECURITY_HEADERS,
        (b"x-request-id", request_id.encode()),
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    return STATUS_LINE[error.status] + head + b"\r\n" + body


SERVER_OPTIONS: dict[str, Any] = {
    "http": BoundedProtocol,
    "ws": "none",
    "access_log": False,
    "log_config": None,
    "server_header": False,
    "date_header": True,
    # What a client or a balancer writes into X-Forwarded-* decides nothing.
    "proxy_headers": False,
    "timeout_keep_alive": 65,
}
"""How every server of ours listens."""
