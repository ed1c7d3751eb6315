"""Tell the host something. It is part of the caller's transaction, so nothing is told that did not happen."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import table_of
from app.models.outbox_message import OutboxMessage, OutboxState
from app.queue.bell import ring

OUTBOX = "outbox_messages"
"""The channel that rings when there is something to tell."""


class MessageType(StrEnum):
    """Everything that is told. A host ignores types that it does not know."""

    NOTIFICATION_OPENED = "notification.opened"
    NOTIFICATION_UPDATED = "notification.updated"
    NOTIFICATION_CLOSED = "notification.closed"
    SYNC_REJECTED = "sync.rejected"
    EMPLOYER_STATUS_CHANGED = "employer.status_changed"
    EMPLOYEE_STATUS_CHANGED = "employee.status_changed"
    REPORT_FINALIZED = "contribution_report.finalized"


_messages = table_of(OutboxMessage)
_insert = insert(_messages).values(next_attempt_at=func.now())
# Built once: to build it costs more than to send it.
_TELL = _insert.on_conflict_do_update(
    index_elements=[_messages.c.object],
    set_={
        "version": _messages.c.version + 1,
        "type": _insert.excluded.type,
        "content": _insert.excluded.content,
        "state": OutboxState.PENDING.value,
        "attempts": 0,
        "next_attempt_at": func.now(),
        "changed_at": func.now(),
        "error_code": None,
    },
).returning(_messages.c.version)


async def tell_host(session: AsyncSession, type: MessageType, *, object: str, content: Mapping[str, Any]) -> int:
    """Have the host told that `object`, such as `notification/<id>`, is now `content`; returns its new version.

    `content` is the whole object in JSON: the host keeps the highest version and needs no other. A version that was
    not delivered yet is dropped for this one.
    """
    version = await session.scalar(_TELL, {"object": object, "type": type.value, "content": dict(content)})
    await ring(session, OUTBOX)
    return version or 0


async def forget_messages(session: AsyncSession, objects: Sequence[str]) -> None:
    """Leave nothing of what was to be told, or was told, of these objects.

    Gone, and not emptied: a message without its content could be told again, and would say that there is nothing.
    """
    await session.execute(delete(OutboxMessage).where(OutboxMessage.object.in_(objects)))
