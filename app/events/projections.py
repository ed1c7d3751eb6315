"""What a resource's current state means here, and when to look at it again without being told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.kota import Employee, Employer, KotaUnreadable, RecordStatus
from app.queue.dirty import Resource
from app.sync.status import record_status

log = structlog.get_logger(__name__)

Content = Mapping[str, Any]

RECORDS: Mapping[str, type[Employer] | type[Employee]] = {"employer": Employer, "employee": Employee}
OFFER = "employee_offer"

_FIRST_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Looks:
    """How often a resource is looked at for changes of which no event tells."""

    records_first: timedelta
    """Employers and employees on their way to another status, on the first day."""
    records_later: timedelta
    offers: timedelta


def status_of(content: Content | None) -> str | None:
    """The `status` that most of Kota's resources have; an open set."""
    status = content.get("status") if content else None
    return status if isinstance(status, str) else None


def look_again(
    kind: str, content: Content | None, *, looks: Looks, known_since: datetime, now: datetime
) -> timedelta | None:
    """When to read a resource again although nothing was heard of it; None for never.

    None of Kota's events says that a record became active, or that an offer was settled (Kota's page "Events").
    """
    if content is None:
        return None
    if kind in RECORDS and status_of(content) not in {RecordStatus.ACTIVE, RecordStatus.INACTIVE}:
        return looks.records_first if now - known_since < _FIRST_DAY else looks.records_later
    if kind == OFFER and status_of(content) == "action_required":
        return looks.offers
    return None


def look_after_failure(kind: str, *, looks: Looks) -> timedelta | None:
    """The same for a resource that nobody can read: what is looked at by itself still is, but seldom."""
    return looks.records_later if kind in RECORDS or kind == OFFER else None


def parse(resource: Resource, content: Content) -> Employer | Employee | None:
    """An employer or employee in its own type; None for other kinds.

    Raises:
        KotaUnreadable: if it is none, which is a failed read like any other.
    """
    model = RECORDS.get(resource.kind)
    if model is None:
        return None
    try:
        return model.model_validate(content)
    except ValidationError:
        pass
    # Raised outside the handler: pydantic's error would drag personal data along.
    raise KotaUnreadable(f"GET {resource.kind}", f"no {model.__name__}")


async def project(session: AsyncSession, resource: Resource, content: Content | None, *, now: datetime) -> None:
    """Write what `content`, Kota's state of `resource` just now, means. None: Kota has no such thing."""
    if content is None:
        log.info("events.resource.not_found", kind=resource.kind, resource_id=resource.id)
        return
    record = parse(resource, content)
    if record is not None:
        await record_status(session, resource.kind, record, now)
