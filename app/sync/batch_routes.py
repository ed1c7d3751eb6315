"""POST and GET of batches."""

import json
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import Path, Request
from pydantic import BaseModel, Field, TypeAdapter
from starlette.requests import ClientDisconnect

from app.audit.trail import note
from app.auth.callers import SyncCaller
from app.errors import MalformedRequest, UnsupportedMediaType
from app.sync.batches import progress, receive, rejected_lines
from app.sync.schemas import EMPLOYEE_EXAMPLE, EMPLOYER_EXAMPLE
from app.sync.uploads import Uploads
from app.web.dependencies import LookupKeyDep, NowDep, RequestIdDep, SessionDep, SessionsDep
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.problems import ProblemField
from app.web.routing import refuse_content_encoding
from app.web.routing import router as new_router

router = new_router(prefix="/internal/batches", tags=["sync"])

NDJSON = "application/x-ndjson"
BatchId = Annotated[UUID, Path(description="As POST answered it")]
_KEY = TypeAdapter(tuple[Annotated[int, Field(ge=0, lt=2**31)]])
EXAMPLE = "".join(
    json.dumps({"kind": kind, "ref": ref, "record": record}) + "\n"
    for kind, ref, record in (("employer", "acme-ie", EMPLOYER_EXAMPLE), ("employee", "emp-42", EMPLOYEE_EXAMPLE))
)


class BatchOut(BaseModel):
    """A batch and its lines counted by state."""

    id: UUID
    state: Literal["receiving", "processing", "done", "incomplete"]
    total: int
    pending: int
    synced: int
    rejected: int
    unchanged: int
    skipped: int


class BatchError(BaseModel):
    """A line that was refused, here or by Kota."""

    line: int
    kind: str | None
    ref: str | None
    code: str | None
    errors: list[ProblemField]
    kota_trace_id: str | None


class BatchErrorList(BaseModel):
    """A page of refused lines."""

    items: list[BatchError]
    next_cursor: str | None


@router.post(
    "",
    status_code=202,
    summary="Submit a batch",
    responses=problems(401, 403, 413, 415, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                NDJSON: {
                    "schema": {"type": "string"},
                    "example": EXAMPLE,
                }
            },
        }
    },
)
async def create_batch(
    *,
    request: Request,
    caller: SyncCaller,
    sessions: SessionsDep,
    lookup_key: LookupKeyDep,
    request_id: RequestIdDep,
    now: NowDep,
) -> BatchOut:
    """One record a line, `{"kind", "ref", "record"}`, as its PUT would take it; at most 50,000 lines. Employers come
    before their employees. A refused line does not stop the others. 429 `too_many_uploads` while as many batches arrive
    as the service takes in at once."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != NDJSON:
        raise UnsupportedMediaType(f"Send {NDJSON}.")
    refuse_content_encoding(request)
    batch_id = uuid4()
    by = note(caller, action="batch.create", subject=f"batch:{batch_id}", request_id=request_id)
    with _uploads_of(request).one():
        try:
            await receive(sessions, batch_id, request.stream(), lookup_key=lookup_key, now=now, note=by)
        except ClientDisconnect:
            raise MalformedRequest("The body did not arrive.") from None
    async with sessions() as session:
        return BatchOut.model_validate(await progress(session, batch_id))


def _uploads_of(request: Request) -> Uploads:
    uploads = request.app.state.uploads
    if not isinstance(uploads, Uploads):
        raise TypeError("the application was started without its uploads")
    return uploads


@router.get("/{id}", summary="Get a batch's progress", responses=problems(401, 403, 404, 422))
async def get_batch(id: BatchId, _caller: SyncCaller, session: SessionDep) -> BatchOut:
    """Counts of its lines."""
    return BatchOut.model_validate(await progress(session, id))


@router.get("/{id}/errors", summary="List a batch's refused lines", responses=problems(401, 403, 404, 422))
async def list_batch_errors(id: BatchId, _caller: SyncCaller, session: SessionDep, page: PageDep) -> BatchErrorList:
    """Those that were refused here, and those whose record Kota rejected."""
    (after,) = page.key(_KEY) or (0,)
    found = await rejected_lines(session, id, after=after, limit=page.limit + 1)
    items, cursor = page.cut(found, lambda item: (item["line"],))
    return BatchErrorList(items=[BatchError.model_validate(item) for item in items], next_cursor=cursor)
