"""One message to the host, signed as Standard Webhooks says (https://www.standardwebhooks.com)."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
from standardwebhooks.webhooks import Webhook

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read, so that its connection can carry the next message. Nothing in it matters."""

READ_WITHIN = timedelta(seconds=2)
"""How long it is read. The message's time ends it sooner."""


class NotDelivered(Exception):
    """The host did not take a message; `code` is short and says why, without what the host answered."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """A version of an object. Its id is the same at every attempt, so that a host can tell repetitions."""

    object: str
    version: int
    type: str
    content: Mapping[str, Any]
    changed_at: datetime

    @property
    def id(self) -> str:
        """Escaped as in an address, and its dots as well: Standard Webhooks signs `<id>.<time>.<body>`, so that an id
        has none. `%` is escaped too, so that no two objects have one id."""
        return f"{quote(self.object, safe='/:').replace('.', '%2E')}:{self.version}"

    def body(self) -> bytes:
        """The same bytes at every attempt."""
        body = {
            "type": self.type,
            "timestamp": self.changed_at.isoformat(),
            "object": self.object,
            "version": self.version,
            "data": self.content,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Host:
    """The endpoint that the host gave us."""

    def __init__(self, http: httpx.AsyncClient, *, url: str, secret: str, within: timedelta) -> None:
        """`secret` is in base64, as `whsec_…` or without that prefix; ValueError if it is not. `within` bounds a
        delivery from connecting to the end of the answer."""
        self._http = http
        self._url = url
        self._within = within.total_seconds()
        # The library decodes leniently, and would sign with whatever comes of it.
        base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        self._webhook = Webhook(secret)

    async def deliver(self, message: Message, *, now: datetime) -> None:
        """Returns once the host answered 2xx; `now` is aware, in UTC. Raises NotDelivered."""
        body = message.body()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message.id, now, body.decode()),
        }
        request = self._http.build_request("POST", self._url, content=body, headers=headers)
        ends_at = asyncio.get_running_loop().time() + self._within
        try:
            async with asyncio.timeout_at(ends_at):
                answer = await self._http.send(request, stream=True, follow_redirects=False)
        except (httpx.HTTPError, TimeoutError) as error:
            raise NotDelivered(type(error).__name__) from error
        await _finish(answer, ends_at=ends_at)
        if not answer.is_success:
            raise NotDelivered(f"status_{answer.status_code}")


async def _finish(answer: httpx.Response, *, ends_at: float) -> None:
    now = asyncio.get_running_loop().time()
    # The status has said whether the message was taken. A body that ends badly, late or never says nothing against it;
    # it only costs the connection.
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout_at(min(ends_at, now + READ_WITHIN.total_seconds())):
            try:
                await _read_through(answer)
            finally:
                await answer.aclose()


async def _read_through(answer: httpx.Response) -> None:
    """What is long or has a content encoding is not read to its end, which costs the connection."""
    if "content-encoding" in answer.headers:
        return
    size = 0
    async for chunk in answer.aiter_bytes():
        size += len(chunk)
        if size > MAX_ANSWER:
            return


@asynccontextmanager
async def open_host(*, url: str, secret: str, within: timedelta) -> AsyncIterator[Host]:
    """The endpoint over the network: TLS verified, no redirect followed, no proxy of the machine's environment."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "kota-bff"}
    timeout = within.total_seconds()
    async with httpx.AsyncClient(timeout=timeout, headers=headers, follow_redirects=False, trust_env=False) as http:
        yield Host(http, url=url, secret=secret, within=within)
