"""Somebody waits for a session, so its whole request ends in time, whatever holds it up."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response

from app.errors import Unavailable
from app.web.dependencies import services_of
from app.web.routing import Route

log = structlog.get_logger(__name__)

RETRY_AFTER = 5

_abandoned: set[asyncio.Task[Response]] = set()


class PromptRoute(Route):
    """A route that is answered within `SESSION_TIMEOUT`: who calls, the database and Kota together.

    Each of them has time-outs of its own, but those add up, and what is cancelled may take its time to end: a lost
    connection to the database is first closed properly. So nobody waits for that either.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def promptly(request: Request) -> Response:
            within = services_of(request).settings.session_timeout.total_seconds()
            request.scope["state"]["answer_by"] = asyncio.get_running_loop().time() + within
            answering = asyncio.create_task(handle(request))
            try:
                await asyncio.wait({answering}, timeout=within)
            finally:
                if not answering.done():
                    _abandon(answering)
            if answering.cancelled() or not answering.done():
                log.warning("sessions.given_up", within_seconds=within)
                raise Unavailable("The session could not be opened in time.", retry_after=RETRY_AFTER)
            return answering.result()

        return promptly


async def answer_by(request: Request) -> float:
    """Until when this request is answered, by the clock of the event loop."""
    return float(request.scope["state"]["answer_by"])


AnswerByDep = Annotated[float, Depends(answer_by)]


def _abandon(task: asyncio.Task[Response]) -> None:
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Task[Response]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        # Nobody waits for it; a cancelled statement may well fail in its own way.
        log.info("sessions.given_up.ended", error=type(error).__name__)
