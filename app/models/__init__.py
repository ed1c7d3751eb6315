"""One table a file. Importing this package registers all of them."""

from app.models.audit_entry import AuditEntry
from app.models.batch import Batch, BatchLine, BatchState
from app.models.contribution_line import ContributionLine
from app.models.contribution_report import ContributionReport
from app.models.dead_letter import DeadLetter
from app.models.employee import Employee
from app.models.employer import Employer
from app.models.kota_event import EventState, KotaEvent
from app.models.kota_resource import KotaResource
from app.models.notification import (
    Notification,
    NotificationAudience,
    NotificationDismissal,
    NotificationState,
)
from app.models.offboarding import Offboarding, OffboardingState
from app.models.outbox_message import OutboxMessage, OutboxState
from app.models.periodic_task import PeriodicTask
from app.models.push_gate import Gate, PushGate
from app.models.reconcile_cursor import ReconcileCursor
from app.models.records import SyncState
from app.models.service_key import ServiceKey
from app.models.session_count import SessionCount
from app.models.session_grant import SessionGrant

__all__ = [
    "AuditEntry",
    "Batch",
    "BatchLine",
    "BatchState",
    "ContributionLine",
    "ContributionReport",
    "DeadLetter",
    "Employee",
    "Employer",
    "EventState",
    "Gate",
    "KotaEvent",
    "KotaResource",
    "Notification",
    "NotificationAudience",
    "NotificationDismissal",
    "NotificationState",
    "Offboarding",
    "OffboardingState",
    "OutboxMessage",
    "OutboxState",
    "PeriodicTask",
    "PushGate",
    "ReconcileCursor",
    "ServiceKey",
    "SessionCount",
    "SessionGrant",
    "SyncState",
]
