"""How a call is made: in a slot, repeated if it may be, watched, and its answer checked against what was expected."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from app.kota.connection import Connection, Query, Request
from app.kota.errors import KotaError, KotaUnreadable
from app.kota.limiter import CallClass, Limiter
from app.kota.paging import PAGE_SIZE, Page, read_page
from app.kota.retry import NO_RETRY, RetryPolicy, next_delay

ModelT = TypeVar("ModelT", bound=BaseModel)

_PERSON = RetryPolicy(attempts=2, first=0.2, patience=2.0)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for one exchange with Kota, from connecting to the last byte."""

    read: float = 10.0
    write: float = 30.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One exchange that ended, for whoever counts them; `error` is None if it ended well."""

    operation: str
    seconds: float
    error: KotaError | None


class Caller:
    """Makes calls to Kota. Everything that waits or measures is handed in."""

    def __init__(
        self,
        connection: Connection,
        *,
        limiter: Limiter,
        read_retry: RetryPolicy,
        timeouts: Timeouts,
        observe: Callable[[Attempt], None] | None,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self.connection = connection
        self.limiter = limiter
        self._timeouts = timeouts
        self._read_retry = read_retry
        self._observe = observe
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter

    def once(self) -> Self:
        """The same calls, connections and slots, without repeated reads."""
        caller = copy(self)
        caller._read_retry = NO_RETRY
        return caller

    async def read(self, template: str, ids: Mapping[str, str] | None = None, query: Query | None = None) -> Any:
        """GET, repeated as the policy says: reading is always harmless."""
        request = Request("GET", template, ids or {}, query)
        attempt = 1
        while True:
            try:
                return await self._once(request, CallClass.READ, self._timeouts.read)
            except KotaError as error:
                wait = next_delay(error, attempt=attempt, policy=self._read_retry, random=self._jitter)
                if wait is None:
                    raise
            await self._sleep(wait)
            attempt += 1

    async def write(self, request: Request) -> Any:
        """POST or PUT, once: whether and when to repeat it is the caller's decision, with the same bytes and key."""
        return await self._once(request, CallClass.PUSH, self._timeouts.write)

    async def write_for_person(self, make: Callable[[], Request], *, within: float) -> Any:
        """POST for somebody who waits `within` seconds at most: once more, newly made, if there is time for it."""
        until = self._clock() + within
        try:
            return await self._once(make(), CallClass.SESSION, within)
        except KotaError as error:
            wait = next_delay(error, attempt=1, policy=_PERSON, random=self._jitter)
            left = until - self._clock() - (wait or 0.0)
            # A last quarter of the time is too little to hope for an answer.
            if wait is None or left < within / 4:
                raise
        await self._sleep(wait)
        return await self._once(make(), CallClass.SESSION, left)

    async def pages(
        self, template: str, ids: Mapping[str, str] | None = None, query: Query | None = None
    ) -> AsyncIterator[Page]:
        """Every page of a list, as it comes."""
        number, more = 0, True
        while more:
            number += 1
            answer = await self.read(template, ids, {**(query or {}), "page": number, "page_size": PAGE_SIZE})
            page = read_page(answer, number=number, operation=f"GET {template}")
            yield page
            more = page.more

    async def items(
        self, template: str, ids: Mapping[str, str] | None = None, query: Query | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every item of a list, once, told apart by its `id`: what is added meanwhile shifts the pages."""
        seen: set[str] = set()
        async for page in self.pages(template, ids, query):
            for item in page.items:
                name = item.get("id") if isinstance(item, dict) else None
                if not isinstance(name, str):
                    raise KotaUnreadable(f"GET {template}", "an item without id")
                if name not in seen:
                    seen.add(name)
                    yield item

    async def _once(self, request: Request, call_class: CallClass, timeout: float) -> Any:
        async with self.limiter.slot(call_class, operation=request.operation):
            started_at = self._clock()
            try:
                answer = await self.connection.send(request, timeout=timeout)
            except KotaError as error:
                self._tell(request, started_at, error)
                raise
            self._tell(request, started_at, None)
            return answer

    def _tell(self, request: Request, started_at: float, error: KotaError | None) -> None:
        if self._observe:
            self._observe(Attempt(request.operation, self._clock() - started_at, error))


def parsed(model: type[ModelT], answer: Any, *, operation: str) -> ModelT:
    """`answer` as `model`.

    Raises:
        KotaUnreadable: if it is not one. It names the fields at fault and quotes nothing of them.
    """
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        places = sorted({str(fault["loc"][0]) for fault in error.errors(include_input=False) if fault["loc"]})
    # Raised outside the handler: pydantic's error would drag the answer along.
    raise KotaUnreadable(operation, f"no {model.__name__}: {', '.join(places) or 'not an object'}")


class Calls:
    """A group of calls; the client is made of such groups."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _get(self, model: type[ModelT], template: str, **ids: str) -> ModelT:
        return parsed(model, await self._caller.read(template, ids), operation=f"GET {template}")

    async def _list(
        self, model: type[ModelT], template: str, query: Query | None = None, **ids: str
    ) -> AsyncIterator[ModelT]:
        async for item in self._caller.items(template, ids, query):
            yield parsed(model, item, operation=f"GET {template}")

    async def _write(self, model: type[ModelT], request: Request) -> ModelT:
        return parsed(model, await self._caller.write(request), operation=request.operation)
