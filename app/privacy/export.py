"""All that is held of one person, for the person who asks for it."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.models import AuditEntry, Employee, KotaEvent, Notification, SessionGrant
from app.privacy.erasure import UnknownEmployee
from app.privacy.holdings import events_of


async def export_employee(session: AsyncSession, ref: str, *, keyring: Keyring) -> dict[str, Any]:
    """By subject: the record, the sessions that were opened for it, Kota's events about it, and who changed it."""
    employee = await session.get(Employee, ref)
    if employee is None:
        raise UnknownEmployee
    grants = await session.scalars(
        select(SessionGrant).where(SessionGrant.employee_ref == ref).order_by(SessionGrant.granted_at)
    )
    trail = await session.scalars(
        select(AuditEntry).where(AuditEntry.subject == f"employee:{ref}").order_by(AuditEntry.id)
    )
    return {
        "employee": {
            "ref": employee.ref,
            "employer_ref": employee.employer_ref,
            "external_customer_id": employee.external_customer_id,
            "kota_id": employee.kota_id,
            "kota_status": employee.kota_status,
            "created_at": employee.created_at,
            "updated_at": employee.updated_at,
            "desired": employee.desired,
            "synced": employee.synced,
            "errors": employee.error_fields,
        },
        "sessions": [
            {"subject": grant.subject, "granted_at": grant.granted_at, "expires_at": grant.expires_at}
            for grant in grants
        ],
        "notifications": await _notifications(session, employee.kota_id),
        "events": await _events(session, employee.kota_id, keyring=keyring),
        "changes": [
            {"at": entry.at, "actor": entry.actor, "action": entry.action, "request_id": entry.request_id}
            for entry in trail
        ],
    }


async def _notifications(session: AsyncSession, kota_id: str | None) -> list[dict[str, Any]]:
    found = await session.scalars(
        select(Notification)
        .where(Notification.kota_employee_id == kota_id, Notification.kota_employee_id.is_not(None))
        .order_by(Notification.opened_at)
    )
    return [{"opened_at": item.opened_at, "title": item.title, "body": item.body} for item in found]


async def _events(session: AsyncSession, kota_id: str | None, *, keyring: Keyring) -> list[dict[str, Any]]:
    if kota_id is None:
        return []
    found = await session.scalars(select(KotaEvent).where(events_of(kota_id)).order_by(KotaEvent.received_at))
    return [
        {
            "id": event.id,
            "type": event.type,
            "received_at": event.received_at,
            # An event is JSON, or it would not have been stored as one.
            "body": json.loads(keyring.decrypt(event.body)),
        }
        for event in found
    ]
