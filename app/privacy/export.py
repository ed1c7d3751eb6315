"""All that is held of one person, for the person who asks for it."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring
from app.models import (
    AuditEntry,
    ContributionLine,
    ContributionReport,
    Employee,
    KotaEvent,
    Notification,
    Offboarding,
    SessionGrant,
)
from app.privacy.erasure import UnknownEmployee
from app.privacy.holdings import events_of
from app.privacy.sessions import sessions_of, subjects_of


async def export_employee(session: AsyncSession, ref: str, *, keyring: Keyring) -> dict[str, Any]:
    """By subject: the record, what Kota told and asked, sessions, pay, offboardings, and who changed it."""
    employee = await session.get(Employee, ref)
    if employee is None:
        raise UnknownEmployee
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
            "under_way": None if employee.push_body is None else json.loads(employee.push_body),
            "errors": employee.error_fields,
        },
        "sessions": await _sessions(session, ref, keyring=keyring),
        "notifications": await _notifications(session, employee.kota_id),
        "events": await _events(session, employee.kota_id, keyring=keyring),
        "contribution_lines": await _contribution_lines(session, employee.kota_id),
        "offboardings": await _offboardings(session, ref),
        "changes": [
            {"at": entry.at, "actor": entry.actor, "action": entry.action, "request_id": entry.request_id}
            for entry in trail
        ],
    }


async def _sessions(session: AsyncSession, ref: str, *, keyring: Keyring) -> list[dict[str, Any]]:
    subjects = await subjects_of(session, ref, keyring=keyring)
    grants = await session.scalars(
        select(SessionGrant).where(sessions_of(ref, subjects)).order_by(SessionGrant.granted_at)
    )
    return [
        {
            "subject": grant.subject,
            "audience": grant.audience,
            "granted_at": grant.granted_at,
            "expires_at": grant.expires_at,
        }
        for grant in grants
    ]


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


async def _contribution_lines(session: AsyncSession, kota_id: str | None) -> list[dict[str, Any]]:
    found = await session.scalars(
        select(ContributionLine)
        .join(
            ContributionReport,
            (ContributionReport.id == ContributionLine.report_id)
            & (ContributionReport.reading == ContributionLine.reading),
        )
        .where(ContributionLine.kota_employee_id == kota_id, ContributionLine.kota_employee_id.is_not(None))
        .order_by(ContributionLine.reporting_month, ContributionLine.report_id, ContributionLine.id)
    )
    return [
        {
            "id": line.id,
            "report_id": line.report_id,
            "reporting_month": line.reporting_month,
            "payer": line.payer,
            "category": line.category,
            "member_type": line.member_type,
            "type": line.type,
            # As everywhere: all of its digits, and no parser on the way makes a float of it.
            "amount": f"{line.amount:f}",
            "currency": line.currency,
            "adjustment": line.adjustment,
            "adjustment_for": line.adjustment_for,
            "cover_from": line.cover_from,
            "cover_to": line.cover_to,
            "policy_id": line.policy_id,
            "note": line.note,
        }
        for line in found
    ]


async def _offboardings(session: AsyncSession, ref: str) -> list[dict[str, Any]]:
    found = await session.scalars(
        select(Offboarding)
        .where(Offboarding.kind == "employee", Offboarding.ref == ref)
        .order_by(Offboarding.requested_at)
    )
    return [
        {
            "state": item.state,
            "offboard_on": item.offboard_on,
            "reason": None if item.body is None else json.loads(item.body).get("offboard_reason"),
            "confirmed_by": item.confirmed_by,
            "requested_at": item.requested_at,
            "settled_at": item.settled_at,
        }
        for item in found
    ]
