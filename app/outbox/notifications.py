"""A notification as the host is told of it."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.employee import Employee
from app.models.employer import Employer
from app.models.notification import Notification
from app.outbox.messages import MessageType, tell_host


def told_as(notification_id: UUID) -> str:
    """The object that the host is told of: one for each notification."""
    return f"notification/{notification_id}"


async def tell_notification(session: AsyncSession, notification: Notification, type: MessageType) -> None:
    """Have the host told what the notification is now."""
    await tell_host(session, type, object=told_as(notification.id), content=await _content(session, notification))


async def ref_of(session: AsyncSession, model: type[Employer | Employee], kota_id: str | None) -> str | None:
    """The host's own reference of a record; None if it has none of this id."""
    if kota_id is None:
        # Compared with None, it would be that of any record which Kota has no id of yet, of whichever company.
        return None
    return await session.scalar(select(model.ref).where(model.kota_id == kota_id))


async def _content(session: AsyncSession, notification: Notification) -> Mapping[str, Any]:
    """The whole notification, with the host's own references where it has them."""
    return {
        "id": str(notification.id),
        "state": notification.state.value,
        "audience": notification.audience.value,
        "title": notification.title,
        "body": notification.body,
        "due_on": notification.due_on.isoformat() if notification.due_on else None,
        "code": notification.code,
        "opened_at": notification.opened_at.astimezone(UTC).isoformat(),
        "closed_at": notification.closed_at.astimezone(UTC).isoformat() if notification.closed_at else None,
        "employer_ref": await ref_of(session, Employer, notification.kota_employer_id),
        "employee_ref": await ref_of(session, Employee, notification.kota_employee_id),
        "external_customer_id": notification.external_customer_id,
        "kota": {
            "kind": notification.kind,
            "id": notification.resource_id,
            "action": notification.action,
            "employer_id": notification.kota_employer_id,
            "employee_id": notification.kota_employee_id,
        },
    }
