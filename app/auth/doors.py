"""Every route, and who may use it: read from the routes themselves, so that the list cannot be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute

from app.auth.callers import FrontendGuard, ServiceGuard
from app.web.routing import guards_of

SIGNED = {"/webhooks/kota"}
"""Routes that check a signature over the body themselves."""


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """One method of one path."""

    path: str
    method: str
    principal: str
    """`anybody`, `Kota's signature`, `frontend token` or `service key`."""
    scope: str | None
    """What a service key needs."""
    summary: str


def doors_of(routers: Sequence[APIRouter]) -> list[Door]:
    """By path and method."""
    return sorted(
        door for router in routers for route in router.routes if isinstance(route, APIRoute) for door in _doors(route)
    )


def table_of(doors: Sequence[Door]) -> str:
    """A table in Markdown."""
    lines = ["| call | who | scope | what |", "|---|---|---|---|"]
    for door in doors:
        call = f"`{door.method} {door.path}`"
        scope = f"`{door.scope}`" if door.scope else ""
        lines.append(f"| {call} | {door.principal} | {scope} | {door.summary} |")
    return "\n".join(lines) + "\n"


def _doors(route: APIRoute) -> Iterator[Door]:
    guards = guards_of(route)
    scopes = sorted({guard.scope.value for guard in guards if isinstance(guard, ServiceGuard)})
    if scopes:
        principal = "service key"
    elif any(isinstance(guard, FrontendGuard) for guard in guards):
        principal = "frontend token"
    else:
        principal = "Kota's signature" if route.path in SIGNED else "anybody"
    for method in sorted(route.methods or ()):
        # Without the converters of parameters, as the OpenAPI document has it.
        yield Door(route.path_format, method, principal, ", ".join(scopes) or None, route.summary or "")
