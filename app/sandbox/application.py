"""The sandbox as an ASGI application: what happens to a request, in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Self

from app.sandbox.control import control_router
from app.sandbox.faults import Plan
from app.sandbox.http import Answer, Call, Headers, Route, Router, bind, problem_answer, read_call
from app.sandbox.pages import CORS, page_router
from app.sandbox.problems import Problem
from app.sandbox.routes import STEPS, kota_router
from app.sandbox.settings import SandboxSettings
from app.sandbox.world import World

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TICK = 0.05
GARBAGE = Answer(200, b"<html><body>Bad gateway</body></html>", [(b"content-type", b"text/html")])


class ConnectionDropped(Exception):
    """The client gets no answer. Only seen by callers in the same process, that have no connection to lose."""


class Sandbox:
    def __init__(self, world: World) -> None:
        self.world = world
        self._kota = kota_router()
        self._control = control_router()
        self._pages = page_router()

    @classmethod
    def open(cls, settings: SandboxSettings) -> Self:
        return cls(World.open(settings, steps=STEPS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        call = read_call(scope, await _read_body(receive))
        self.world.pass_time()
        answer: Answer | None
        if call.path.startswith("/_control/"):
            answer = await self._visit(self._control, call)
        elif self._pages.find(call.path)[0]:
            answer = await self._visit(self._pages, call, headers=CORS)
        else:
            answer = await self._serve(call)
        if answer is None:
            await _drop(scope, receive)
        else:
            await _send(answer, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Time passes and webhooks go out while this is entered."""
        tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self.world.deliveries.run())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self.world.journal.close()
            for end in ends:
                if isinstance(end, Exception):
                    raise end

    async def _serve(self, call: Call) -> Answer | None:
        """None drops the connection."""
        world = self.world
        entry = world.log.add(call, at=world.clock.now())
        plan = world.faults.plan(call.method, call.path)
        held = world.settings.latency_ms / 1000 + plan.delay
        slot = None
        answer: Answer | None
        try:
            if plan.kind == "drop_before":
                answer = None
            elif plan.kind == "status" and plan.fault:
                answer = plan.fault.answer()
            else:
                answer, slot = await self._perform(call)
                if call.method == "POST" and world.noise.chance(world.settings.answers_late):
                    held += world.noise.between(0.05, 0.15)
            # The work is done before the wait: webhooks overtake the answer, and a client that gives up is too late.
            if held:
                await asyncio.sleep(held)
        finally:
            if slot:
                world.idempotency.release(slot)
        answer = _spoilt(answer, plan)
        entry.status = answer.status if answer else None
        return answer

    async def _perform(self, call: Call) -> tuple[Answer, str | None]:
        """The answer, and the idempotency key's slot that stays taken until it is sent."""
        slot: str | None = None
        try:
            routes, values = self._kota.find(call.path)
            self._authenticate(call)
            route = _pick(routes, call)
            if route.idempotent:
                begun = self.world.idempotency.begin(call)
                if isinstance(begun, Answer):
                    return begun, None
                slot = begun
            answer = await self._run(route, values, call)
        except Problem as problem:
            answer = problem_answer(problem)
        except BaseException:
            if slot:
                self.world.idempotency.release(slot)
            raise
        if slot:
            self.world.idempotency.settle(slot, call, answer)
        return answer, slot

    async def _visit(self, router: Router[World], call: Call, *, headers: Headers | None = None) -> Answer:
        """What is not Kota's API: no key, no fault, no log. `headers` go with problems."""
        try:
            routes, values = router.find(call.path)
            return await self._run(_pick(routes, call), values, call)
        except Problem as problem:
            return problem_answer(problem, headers=headers)

    async def _run(self, route: Route[World], values: list[str], call: Call) -> Answer:
        call.path_params = bind(route, values)
        answer = route.handler(self.world, call)
        return answer if isinstance(answer, Answer) else await answer

    def _authenticate(self, call: Call) -> None:
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key not in self.world.api_keys:
            raise Problem(401)
        call.api_key = key

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.world.pass_time()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _pick(routes: dict[str, Route[World]], call: Call) -> Route[World]:
    if not routes:
        raise Problem(404, detail="There is no such path.")
    if call.method not in routes:
        raise Problem(405)
    return routes[call.method]


def _spoilt(answer: Answer | None, plan: Plan) -> Answer | None:
    if plan.kind == "drop_after":
        return None
    return GARBAGE if plan.kind == "garbage" else answer


async def _read_body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    chunks = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def _send(answer: Answer, send: Send) -> None:
    headers = answer.headers
    if answer.status != 204:
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _drop(scope: Scope, receive: Receive) -> None:
    transport = scope.get("extensions", {}).get("sandbox.transport", {}).get("transport")
    if transport is None:
        raise ConnectionDropped
    transport.abort()
    # The server takes a return without an answer for a mistake, unless it has noticed that nobody listens any more.
    while (await receive())["type"] != "http.disconnect":
        pass
