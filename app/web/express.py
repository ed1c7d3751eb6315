"""Routes past everything that FastAPI does around a route: matching, resolving dependencies, stacks of contexts.

On the busiest route matching alone would be a tenth of what an answer costs, and dependencies far more.
"""

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.problems import LastResort


class Express:
    """Answers what the routes of `router` take, and leaves everything else to `app`, other methods included.

    Their paths have no parameters; their endpoints are given the request and return the response.
    """

    def __init__(self, app: ASGIApp, router: APIRouter) -> None:
        self.app = app
        self._routes = {
            (method, route.path): route
            for route in router.routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        }
        self._answer_or_problem = LastResort(self._answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = route
        await self._answer_or_problem(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response = await scope["route"].endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
