"""What a browser may ask before it sends a request from another site."""

from fastapi import Request
from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import AppError
from app.web.problems import problem, request_id_of


class PreflightRefused(AppError):
    """A browser may not send this request from there."""

    status, code = 400, "preflight_refused"


class CORS(CORSMiddleware):
    """Refuses as the rest of the service does, where Starlette's own refusals are plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        return _Refusal(answer) if answer.status_code == PreflightRefused.status else answer


class _Refusal(Response):
    """Starlette's refusal as a problem. Only when it is sent is the request known, and with it the id."""

    def __init__(self, plain: Response) -> None:
        super().__init__(status_code=plain.status_code)
        self._detail = f"{bytes(plain.body).decode()}."
        self._kept = {name: value for name, value in plain.headers.items() if not name.startswith("content-")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(Request(scope))
        answer = problem(PreflightRefused(self._detail), request_id=request_id, headers=self._kept)
        await answer(scope, receive, send)
