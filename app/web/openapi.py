"""What routes say about themselves in `/openapi.json`."""

from typing import Any

from app.web.problems import MEDIA_TYPE, Problem

TITLES = {
    400: "The request cannot be read",
    401: "No valid credential",
    403: "The credential does not allow it",
    404: "There is nothing here",
    409: "The present state does not allow it",
    413: "The body is too large",
    415: "The content type is not supported",
    422: "The input breaks a rule; `errors` says where",
    429: "Too many requests; see Retry-After",
    503: "Not possible at the moment; see Retry-After",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer these problems."""
    return {
        status: {"description": TITLES[status], "model": Problem, "content": {MEDIA_TYPE: {}}} for status in statuses
    }
