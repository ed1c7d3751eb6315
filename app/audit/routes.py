"""GET /internal/audit: who did what, newest first."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import select

from app.auth.callers import AdminCaller
from app.models import AuditEntry
from app.web.dependencies import SessionDep
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.refs import ExternalId
from app.web.routing import router as new_router
from app.web.times import Instant

router = new_router(prefix="/internal/audit", tags=["audit"])

_KEY = TypeAdapter(tuple[Annotated[int, Field(ge=0, lt=2**63)]])


class AuditItem(BaseModel):
    """One change that somebody asked for."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    request_id: str


class AuditPage(BaseModel):
    """A part of the trail."""

    items: list[AuditItem]
    next_cursor: str | None


@router.get("", summary="List the audit trail, newest first", responses=problems(401, 403, 422))
async def list_audit(
    *,
    _caller: AdminCaller,
    session: SessionDep,
    page: PageDep,
    actor: ExternalId | None = None,
    action: ExternalId | None = None,
    subject: ExternalId | None = None,
    since: Instant | None = None,
) -> AuditPage:
    """Of one actor (the name of a service key), one action, one subject (`employee:emp-42`), or since an instant."""
    found = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(page.limit + 1)
    wanted = {AuditEntry.actor: actor, AuditEntry.action: action, AuditEntry.subject: subject}
    found = found.where(*(column == value for column, value in wanted.items() if value is not None))
    if since is not None:
        found = found.where(AuditEntry.at >= since)
    before = page.key(_KEY)
    if before is not None:
        found = found.where(AuditEntry.id < before[0])
    entries, cursor = page.cut((await session.scalars(found)).all(), lambda entry: (entry.id,))
    items = [AuditItem.model_validate(entry, from_attributes=True) for entry in entries]
    return AuditPage(items=items, next_cursor=cursor)
