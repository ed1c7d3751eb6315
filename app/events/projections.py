"""What a resource's current state means here, and when to look at it again without being told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.contributions.reports import record_report
from app.db.engine import Sessions
from app.kota import ContributionReport, Employee, Employer, KotaClient, KotaNotFound, KotaUnreadable, RecordStatus
from app.notifications.actions import ACTIONS, EMPLOYEE, EMPLOYER, OPERATOR, Action, actions_of, is_past
from app.notifications.concerned import Concerned, Finder, is_tombstone
from app.notifications.ledger import Asking, keep_notifications
from app.queue.dirty import Resource
from app.sync.telling import project_status

log = structlog.get_logger(__name__)

Content = Mapping[str, Any]

RECORDS: Mapping[str, type[Employer] | type[Employee]] = {"employer": Employer, "employee": Employee}
MODELS: Mapping[str, type[Employer] | type[Employee] | type[ContributionReport]] = {
    **RECORDS,
    "contribution_report": ContributionReport,
}
SETTLED_UNTOLD = {"employee_offer", "dependents_management_intent"}
"""What may stop asking without an event: nobody is told that an offer was settled, or dependents were confirmed."""
_QUOTED, _QUOTE = "group_quote_intent", "/group_quote_intents/{group_quote_intent_id}/quote"

_FIRST_DAY = timedelta(days=1)
_SOON = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """How often a resource is looked at for changes of which no event tells."""

    records_first: timedelta
    """Employers and employees on their way to another status, on the first day."""
    records_later: timedelta
    offers: timedelta
    """Offers, and whatever else may be settled untold, while they ask for something."""


def status_of(content: Content | None) -> str | None:
    """The `status` that most of Kota's resources have; an open set."""
    status = content.get("status") if content else None
    return status if isinstance(status, str) else None


def parse(resource: Resource, content: Content) -> Employer | Employee | ContributionReport | None:
    """What is projected, in its own type; None for other kinds.

    Raises:
        KotaUnreadable: if it is not of that type, which is a failed read like any other.
    """
    model = MODELS.get(resource.kind)
    if model is None:
        return None
    try:
        return model.model_validate(content)
    except ValidationError:
        pass
    # Raised outside the handler: pydantic's error would drag personal data along.
    raise KotaUnreadable(f"GET {resource.kind}", f"no {model.__name__}")


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of a resource. Without `content`, Kota has no such thing."""

    resource: Resource
    content: Content | None
    record: Employer | Employee | ContributionReport | None
    actions: Sequence[Action]
    concerned: Concerned


def next_poll(found: Found, *, polls: PollIntervals, known_since: datetime, now: datetime) -> timedelta | None:
    """When to read a resource again although nothing was heard of it; None for never.

    None of Kota's events says that a record became active, or that an offer was settled (Kota's page "Events").
    """
    kind, status = found.resource.kind, status_of(found.content)
    if found.content is None:
        return None
    if kind in RECORDS and status not in {RecordStatus.ACTIVE, RecordStatus.INACTIVE}:
        return polls.records_first if now - known_since < _FIRST_DAY else polls.records_later
    if not _reaches_all(found, now=now):
        # An event of its parent names the people, and may come later. Each wait is as long as all before together.
        return min(max(now - known_since, _SOON), polls.offers)
    if kind in SETTLED_UNTOLD and status == "action_required":
        return polls.offers
    return None


def _reaches_all(found: Found, *, now: datetime) -> bool:
    """Whether everybody is known who is asked for something that can still be done."""
    known = {EMPLOYER: found.concerned.employer_id, EMPLOYEE: found.concerned.employee_id, OPERATOR: "the operator"}
    return all(known[action.audience] for action in found.actions if not is_past(action.due_on, now=now))


def poll_after_failure(kind: str, *, polls: PollIntervals) -> timedelta | None:
    """The same for a resource that nobody can read: what is looked at by itself still is, but seldom."""
    return polls.records_later if kind in RECORDS or kind in SETTLED_UNTOLD else None


class Projector:
    """What Kota's state means for records, people and the host, in two steps: `prepare` reads, `project` writes."""

    def __init__(self, sessions: Sessions, kota: KotaClient, *, lookup_key: bytes) -> None:
        self._kota = kota
        self._finder = Finder(sessions, kota)
        self._lookup_key = lookup_key

    async def prepare(self, resource: Resource, content: Content | None) -> Found:
        """Read whatever else is needed, outside of any transaction. Raises KotaError."""
        if content is None:
            log.info("events.resource.not_found", kind=resource.kind, resource_id=resource.id)
            return Found(resource, None, None, (), Concerned())
        record = parse(resource, content)
        if resource.kind == _QUOTED and status_of(content) == "quote_available":
            content = {**content, "expires_at": await self._quote_expiry(resource.id)}
        actions = actions_of(resource.kind, content)
        # Whom it concerns is asked only where somebody is to be told: that may cost further reads.
        concerned = await self._finder.find(resource.kind, content, resource.ids) if actions else Concerned()
        return Found(resource, content, record, actions, concerned)

    async def project(self, session: AsyncSession, found: Found, *, now: datetime) -> Found:
        """Write what was found, in the transaction that settles the resource.

        Returns as much of it as was written: of a person who was erased, nothing.
        """
        resource = found.resource
        if isinstance(found.record, ContributionReport):
            await record_report(session, found.record)
        elif found.record is not None:
            await project_status(session, resource.kind, found.record, now=now)
        if resource.kind in ACTIONS:
            employee_id = found.concerned.employee_id or resource.ids.get("employee_id")
            if await is_tombstone(session, employee_id):
                found = Found(resource, None, None, (), Concerned())
            asking = Asking(resource.kind, resource.id, found.concerned, now)
            await keep_notifications(session, asking, found.actions, lookup_key=self._lookup_key)
        return found

    async def _quote_expiry(self, intent_id: str) -> Any:
        try:
            quote = await self._kota.get(_QUOTE, {"group_quote_intent_id": intent_id})
        except KotaNotFound:
            return None
        if "expires_at" not in quote:
            raise KotaUnreadable(f"GET {_QUOTE}", "no quote")
        return quote["expires_at"]
