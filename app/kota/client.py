"""The client: all calls to Kota's API, and how to open one."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from copy import copy
from typing import Any, Self

import httpx

from app.kota.caller import Attempt, Caller, Timeouts
from app.kota.calls.benefits import BenefitCalls
from app.kota.calls.contributions import ContributionCalls
from app.kota.calls.events import EventCalls
from app.kota.calls.records import RecordCalls
from app.kota.calls.sessions import SessionCalls
from app.kota.connection import Connection, Query
from app.kota.errors import KotaUnreadable
from app.kota.limiter import Limiter
from app.kota.pool import open_connections
from app.kota.retry import RetryPolicy

_CONNECT_TIMEOUT = 5.0
MAX_RESPONSE_BYTES = 32 * 1024 * 1024


class KotaClient(RecordCalls, SessionCalls, EventCalls, BenefitCalls, ContributionCalls):
    """Kota's API. Whatever goes wrong is a `KotaError`; ids are Kota's own, and opaque.

    Reads are repeated by themselves and sessions once; everything that changes something is sent once, and repeating
    it is the caller's decision.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        limiter: Limiter | None = None,
        read_retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        observe: Callable[[Attempt], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`http` carries the base URL, the API key and the transport; `open_client` makes one as it should be."""
        super().__init__(
            Caller(
                Connection(http, max_response_bytes=max_response_bytes),
                limiter=limiter or Limiter(clock=clock, sleep=sleep),
                read_retry=read_retry or RetryPolicy(),
                timeouts=timeouts or Timeouts(),
                observe=observe,
                sleep=sleep,
                clock=clock,
                jitter=jitter,
            )
        )

    async def get(
        self, template: str, ids: Mapping[str, str] | None = None, query: Query | None = None
    ) -> dict[str, Any]:
        """The JSON of any resource, fractions as `Decimal`; KotaUnreadable if it is no object.

        `template` is a path of Kota's OpenAPI such as `/policies/{policy_id}`, a constant of ours; `ids` fill it in.
        """
        answer = await self._caller.read(template, ids, query)
        if not isinstance(answer, dict):
            raise KotaUnreadable(f"GET {template}", "not an object")
        return answer

    def get_all(
        self, template: str, ids: Mapping[str, str] | None = None, query: Query | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every item of any list whose items have an `id`, once."""
        return self._caller.items(template, ids, query)

    def once(self) -> Self:
        """The same client without repeated reads, for whoever repeats them later and holds nothing until then."""
        client = copy(self)
        client._caller = self._caller.once()
        return client

    @property
    def limiter(self) -> Limiter:
        return self._caller.limiter

    async def aclose(self) -> None:
        await self._caller.connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()


def open_client(
    *,
    api_url: str,
    api_key: str,
    max_in_flight: int = 20,
    timeouts: Timeouts | None = None,
    read_retry: RetryPolicy | None = None,
    observe: Callable[[Attempt], None] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> KotaClient:
    """A client for the API at `api_url`, to be closed when done. It connects with the first call.

    `transport` takes the place of the network.

    Raises:
        ValueError: for a key that cannot stand in a header. The key is not quoted.
    """
    if not api_key.isascii() or not api_key.isprintable() or api_key.strip() != api_key or not api_key:
        raise ValueError("the API key has characters that no key has")
    http = httpx.AsyncClient(
        base_url=api_url,
        headers={
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "kota-bff",
        },
        # Each exchange is bounded as a whole by its own time-out; a bound for every read would not bound their sum.
        timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT),
        follow_redirects=False,
        # A proxy variable of the machine must not send personal data elsewhere.
        trust_env=False,
        transport=transport or open_connections(),
    )
    return KotaClient(
        http, limiter=Limiter(pushes=max_in_flight), timeouts=timeouts, read_retry=read_retry, observe=observe
    )
