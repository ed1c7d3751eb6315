"""Where personal data is, column by column. A test holds these lists against all encrypted columns that there are."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, or_, select, tuple_

from app.models import KotaEvent, KotaResource, Notification

ERASED = {
    "employees.desired",
    "employees.synced",
    "employees.push_body",
    "employees.error_fields",
    "kota_events.body",
    "notifications.body",
    "notifications.title",
    "offboardings.body",
    "outbox_messages.content",
    "session_grants.subject",
}
"""Emptied, or gone with its row, when a person is erased."""

KEPT: Mapping[str, str] = {
    "employers.desired": "a company, and the contact that it names",
    "employers.synced": "the same",
    "employers.push_body": "the same",
    "employers.error_fields": "the same",
    "batch_lines.errors": "gone after RETAIN_BATCH_LINES",
    "contribution_lines.note": "part of a payroll record, which payroll must keep",
    "dead_letters.body": "belongs to nobody that we could tell; gone after RETAIN_DEAD_LETTERS",
}
"""Encrypted, and not erased with a person; why."""

EXPORTED: Mapping[str, str] = {
    "employees": "employee",
    "session_grants": "sessions",
    "notifications": "notifications",
    "kota_events": "events",
    "contribution_lines": "contribution_lines",
    "offboardings": "offboardings",
}
"""Tables that are shown to the person who asks, and under what name."""

NOT_EXPORTED: Mapping[str, str] = {
    "employers": "a company, and the contact that it names",
    "outbox_messages": "what the host is told of notifications, which are shown themselves",
    "batch_lines": "why lines of an upload were refused, for whoever sent it; gone after RETAIN_BATCH_LINES",
    "dead_letters": "belongs to nobody that we could tell; gone after RETAIN_DEAD_LETTERS",
}
"""The others; why."""


def events_of(kota_id: str) -> ColumnElement[bool]:
    """Events about this employee, or about a resource of theirs."""
    key = tuple_(KotaEvent.resource_kind, KotaEvent.resource_id)
    itself = and_(KotaEvent.resource_kind == "employee", KotaEvent.resource_id == kota_id)
    named = select(KotaResource.kind, KotaResource.id).where(names(kota_id))
    # Whom a resource asks for something may be known from its parent only.
    asking = select(Notification.kind, Notification.resource_id).where(Notification.kota_employee_id == kota_id)
    return or_(itself, key.in_(named), key.in_(asking))


def names(kota_id: str) -> ColumnElement[bool]:
    """Resources that were told along with this employee."""
    named: ColumnElement[bool] = KotaResource.path_params["employee_id"].astext == kota_id
    return named
