"""Requests, answers and routes of the sandbox: no more than it needs, as it shares its cores with what it measures."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from app.sandbox.problems import Problem, shown

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Call:
    """A request that was read whole. `path_params` are filled when a route matched; `api_key` when one was given."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    path_params: dict[str, str] = field(default_factory=dict)
    api_key: str = ""

    def __getitem__(self, name: str) -> str:
        return self.path_params[name]

    def json(self) -> Any:
        """The body; raises a problem if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Problem(400, errors={"$": ["Must be JSON."]}) from None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Headers


def json_answer(
    body: Any, *, status: int = 200, media_type: bytes = b"application/json", headers: Headers | None = None
) -> Answer:
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, content, [(b"content-type", media_type), *(headers or [])])


def problem_answer(problem: Problem, *, headers: Headers | None = None) -> Answer:
    return json_answer(shown(problem), status=problem.status, media_type=b"application/problem+json", headers=headers)


def empty_answer() -> Answer:
    return Answer(204, b"", [])


def read_call(scope: MutableMapping[str, Any], body: bytes) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw_query: bytes = scope["query_string"]
    query = dict(parse_qsl(raw_query.decode("latin-1"), keep_blank_values=True)) if raw_query else {}
    return Call(scope["method"], scope["path"], query, headers, body)


# What handlers are given beside the call.
World = TypeVar("World")
Handler = Callable[[World, Call], Answer | Awaitable[Answer]]


@dataclass(frozen=True)
class Route(Generic[World]):
    """`idempotent` routes honour an Idempotency-Key."""

    method: str
    template: str
    handler: Handler[World]
    idempotent: bool

    @cached_property
    def segments(self) -> list[str]:
        return self.template.strip("/").split("/")


class Router(Generic[World]):
    """Finds the route of a path. Literal segments win over parameters."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}
        self.routes: list[Route[World]] = []

    def add(self, method: str, template: str, handler: Handler[World], *, idempotent: bool = False) -> None:
        route = Route(method, template, handler, idempotent)
        node = self._tree
        for segment in route.segments:
            key = "{}" if segment.startswith("{") else segment
            node = node.setdefault(key, {})
        node.setdefault("", {})[method] = route
        self.routes.append(route)

    def find(self, path: str) -> tuple[dict[str, Route[World]], list[str]]:
        """The routes of a path by method (none if there is no such path) and the values of its parameters."""
        node = self._tree
        values = []
        for segment in path.strip("/").split("/"):
            if segment and segment in node:
                node = node[segment]
            elif "{}" in node and segment:
                node = node["{}"]
                values.append(segment)
            else:
                return {}, []
        return node.get("", {}), values


def bind(route: Route[World], values: list[str]) -> dict[str, str]:
    names = [segment[1:-1] for segment in route.segments if segment.startswith("{")]
    return dict(zip(names, values, strict=True))
