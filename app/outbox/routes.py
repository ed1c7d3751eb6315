"""`/internal/outbox`: what the host was told or is still to be told, and trying it again."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, TypeAdapter

from app.audit.trail import record
from app.auth.callers import EventsCaller
from app.models.outbox_message import OutboxMessage, OutboxState
from app.outbox.replay import list_messages, replay_message
from app.web.dependencies import RequestIdDep, SessionDep
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.routing import router as new_router

router = new_router(prefix="/internal/outbox", tags=["outbox"])

MessageId = Annotated[str, Path(max_length=255, description="The message's `id`; its slashes as they are, or escaped")]
_KEY = TypeAdapter(tuple[str])


class DeliveryError(BaseModel):
    """Why the last attempt failed."""

    code: str


class MessageOut(BaseModel):
    """The newest message about one object. What it says is not shown: it may be about a person.

    `id` is the object, such as `notification/<id>`. The host sees it in `webhook-id`, escaped and with
    the version behind it.
    """

    id: str
    version: int
    type: str
    state: OutboxState
    attempts: int
    changed_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: DeliveryError | None


class MessagePage(BaseModel):
    """Messages by `id`."""

    items: list[MessageOut]
    next_cursor: str | None


def message_out(message: OutboxMessage) -> MessageOut:
    """A message as it is shown."""
    return MessageOut(
        id=message.object,
        version=message.version,
        type=message.type,
        state=message.state,
        attempts=message.attempts,
        changed_at=message.changed_at,
        next_attempt_at=message.next_attempt_at,
        delivered_at=message.delivered_at,
        last_error=DeliveryError(code=message.error_code) if message.error_code else None,
    )


@router.get("", summary="List messages to the host", responses=problems(401, 403, 422))
async def list_(
    _caller: EventsCaller,
    session: SessionDep,
    page: PageDep,
    state: Annotated[OutboxState | None, Query(description="Only messages in this state")] = None,
) -> MessagePage:
    """By `id`; `?state=dead` are those that were given up."""
    (after,) = page.key(_KEY) or (None,)
    found = await list_messages(session, state=state, after=after, limit=page.limit + 1)
    messages, cursor = page.cut(found, lambda message: (message.object,))
    return MessagePage(items=[message_out(message) for message in messages], next_cursor=cursor)


# Ids have slashes in them.
@router.post(
    "/{id:path}/replay", status_code=202, summary="Redeliver a message", responses=problems(401, 403, 404, 409, 422)
)
async def replay(caller: EventsCaller, session: SessionDep, request_id: RequestIdDep, id: MessageId) -> MessageOut:
    """Tried at once and then for as long as a new message, under the same `webhook-id`.

    409 `already_delivered` for what the host has taken.
    """
    message = await replay_message(session, id)
    await record(session, caller, action="outbox.replay", subject=f"message:{id}", request_id=request_id)
    return message_out(message)
