"""One message to the host, signed as Standard Webhooks says (https://www.standardwebhooks.com)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook


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
        return f"{self.object}:{self.version}"

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

    def __init__(self, http: httpx.AsyncClient, *, url: str, secret: str) -> None:
        """`secret` is in base64, as `whsec_…` or without that prefix; ValueError if it is not."""
        self._http = http
        self._url = url
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
        try:
            answer = await self._http.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise NotDelivered(type(error).__name__) from error
        if not answer.is_success:
            raise NotDelivered(f"status_{answer.status_code}")
