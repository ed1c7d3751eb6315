"""The one route class: credentials are checked before a body is read, and a body that should be JSON says so."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.requests import ClientDisconnect

from app.errors import InvalidInput, MalformedRequest, UnsupportedMediaType
from app.web.strict_json import read_json

Caller = TypeVar("Caller")


class Guard(SecurityBase, ABC, Generic[Caller]):
    """A dependency that says who calls. `Route` asks it first; what it found is then handed to the endpoint.

    FastAPI reads and parses a body before it resolves dependencies, which would let anybody send one.
    """

    def __init__(self, *, scheme_name: str, description: str) -> None:
        self.model = HTTPBearer(description=description)
        self.scheme_name = scheme_name

    @abstractmethod
    async def admit(self, request: Request) -> Caller:
        """The caller; raises Unauthenticated or Forbidden."""

    async def __call__(self, request: Request) -> Caller:
        admitted: dict[int, Caller] = request.scope.setdefault("state", {}).setdefault("admitted", {})
        if id(self) not in admitted:
            admitted[id(self)] = await self.admit(request)
        return admitted[id(self)]


class StrictRequest(Request):
    """A request whose JSON has one meaning."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


class Route(APIRoute):
    """A route that asks its guards before it reads anything else of the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        guards = [call for call in _calls(self.dependant) if isinstance(call, Guard)]
        takes_json = self.body_field is not None

        async def guarded(request: Request) -> Response:
            for guard in guards:
                await guard(request)
            _refuse_nul(request)
            if not takes_json:
                return await handle(request)
            _require_json(request)
            strict = StrictRequest(request.scope, request.receive)
            try:
                # Read here, where a refusal is still ours: FastAPI makes one answer of everything that goes wrong.
                if await strict.body():
                    await strict.json()
            except ClientDisconnect:
                raise MalformedRequest("The body did not arrive.") from None
            return await handle(strict)

        return guarded


def router(*, prefix: str = "", tags: list[str], route_class: type[Route] = Route) -> APIRouter:
    """A router of `Route`s; every domain's router comes from here."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=route_class)


def guards_of(route: APIRoute) -> list[Guard[Any]]:
    """Whom this route lets in; empty for a public one."""
    return [call for call in _calls(route.dependant) if isinstance(call, Guard)]


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _refuse_nul(request: Request) -> None:
    """PostgreSQL's text cannot hold it, and nothing that we name has it."""
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise InvalidInput("A NUL character is no part of any address here.")


def refuse_content_encoding(request: Request) -> None:
    """An encoded body is never decoded: a trifle of it could fill the memory."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")


def _require_json(request: Request) -> None:
    refuse_content_encoding(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType("Send application/json.")
