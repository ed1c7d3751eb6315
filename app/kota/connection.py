"""One request to Kota and its answer: addressed, sent, bounded in time and size, and read.

It knows nothing of retries, slots or resources.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from app.kota.answers import read_answer
from app.kota.errors import KotaNotFound, KotaUnreachable, KotaUnreadable

Query = Mapping[str, str | int]

_MAX_ID_LENGTH = 255
_JSON = {"Content-Type": "application/json"}
_CONTENT_ENCODINGS = {"", "identity", "gzip"}
# Whatever fails before the first byte is sent cannot have happened.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def query_of(**filters: str | int | Sequence[str] | None) -> dict[str, str | int]:
    """The filters that are set. Several values of one go into one parameter, joined by commas."""
    return {
        name: value if isinstance(value, str | int) else ",".join(value)
        for name, value in filters.items()
        if value is not None and value not in ((), [])
    }


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `template` is a path such as `/employees/{employee_id}`, whose names `ids` fills in."""

    method: str
    template: str
    ids: Mapping[str, str] = field(default_factory=dict)
    query: Query | None = None
    body: bytes | None = None
    idempotency_key: str | None = None

    @property
    def operation(self) -> str:
        return f"{self.method} {self.template}"


class Connection:
    """Sends requests through `http`, which carries the base URL, the API key and the transport."""

    def __init__(self, http: httpx.AsyncClient, *, max_response_bytes: int) -> None:
        self._http = http
        self._max_response_bytes = max_response_bytes

    async def send(self, request: Request, *, timeout: float) -> Any:
        """The JSON of Kota's answer; `timeout` bounds the whole exchange, in seconds.

        Raises:
            KotaError: whatever else came of it.
        """
        operation = request.operation
        built = self._build(request)
        try:
            async with asyncio.timeout(timeout):
                response, body = await self._exchange(operation, built)
        except TimeoutError as error:
            raise KotaUnreachable(operation, f"no answer in {timeout:g} s", may_have_happened=True) from error
        except httpx.TransportError as error:
            happened = not isinstance(error, _NOT_SENT)
            raise KotaUnreachable(operation, type(error).__name__, may_have_happened=happened) from error
        except httpx.DecodingError as error:
            raise KotaUnreadable(operation, "cannot be decompressed") from error
        return read_answer(operation, response, body)

    async def aclose(self) -> None:
        await self._http.aclose()

    def _build(self, request: Request) -> httpx.Request:
        headers = {} if request.body is None else dict(_JSON)
        if request.idempotency_key is not None:
            headers["Idempotency-Key"] = request.idempotency_key
        return self._http.build_request(
            request.method, _path(request), params=request.query, content=request.body, headers=headers
        )

    async def _exchange(self, operation: str, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            if response.headers.get("content-encoding", "").lower() not in _CONTENT_ENCODINGS:
                # A trifle encoded twice would fill the memory before its first bytes could be counted.
                raise KotaUnreadable(operation, f"status={response.status_code}, a content encoding not asked for")
            body = bytearray()
            # Counted as it arrives and decoded: neither a header nor a compressed trifle can fill the memory.
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_response_bytes:
                    raise KotaUnreadable(operation, f"status={response.status_code}, too large")
            return response, bytes(body)
        finally:
            await response.aclose()


def _path(request: Request) -> str:
    if not request.ids:
        return request.template
    return request.template.format_map({name: _segment(request, value) for name, value in request.ids.items()})


def _segment(request: Request, value: str) -> str:
    """`value` as one path segment, whatever is in it.

    Ids come from events and hosts too. Dots cannot be escaped (every server reads `%2E%2E` as `..`), so an id that
    would climb, like one that is empty or absurdly long, names nothing at Kota.
    """
    if not value.strip(".") or len(value) > _MAX_ID_LENGTH or not value.isprintable():
        raise KotaNotFound(request.operation, status=404, error_code="impossible_id")
    return quote(value, safe="")
