"""What one signed-in person sees: their own open notifications, and who they are here.

Nothing here crosses employers, nor the customers of an employer-of-record. All of it follows from the host's signed
token; a browser can name nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.errors import NotFound
from app.models.employee import Employee
from app.models.employer import Employer
from app.models.notification import (
    SEEN_BYTES,
    Notification,
    NotificationAudience,
    NotificationDismissal,
    NotificationState,
)
from app.models.records import SyncState


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. References are the host's; `subject_digest` is how their dismissals are found."""

    employer_ref: str
    employee_ref: str | None
    audiences: frozenset[str]
    external_customer_id: str | None
    customer_required: bool
    subject_digest: bytes

    @property
    def is_cut_off(self) -> bool:
        """Whether a customer has to be named and is not: then there is nothing to see."""
        return self.customer_required and self.external_customer_id is None


@dataclass(frozen=True, slots=True)
class Me:
    """The records of a person, and what waits for them. `employees_processing` is None for who manages nobody."""

    employer_status: str | None
    employee_ref: str | None
    employee_status: str | None
    employees_processing: int | None
    open_notifications: int


async def list_notifications(
    session: AsyncSession, viewer: Viewer, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Notification]:
    """Open notifications, newest first, that were opened before the one given."""
    conditions = [_visible(viewer)]
    if before is not None:
        conditions.append(tuple_(Notification.opened_at, Notification.id) < tuple_(*before))
    found = await session.scalars(
        select(Notification)
        .where(*conditions)
        .order_by(Notification.opened_at.desc(), Notification.id.desc())
        .limit(limit)
    )
    return found.all()


async def dismiss(session: AsyncSession, viewer: Viewer, notification_id: UUID) -> None:
    """Hide a notification from this person until it says something else or is asked again.

    Doing it twice is as good as once. NotFound for what they do not see.
    """
    said = await session.scalar(
        select(Notification.content_digest).where(Notification.id == notification_id, _open_for(viewer))
    )
    if said is None:
        raise NotFound
    statement = insert(NotificationDismissal).values(
        notification_id=notification_id,
        subject_digest=viewer.subject_digest,
        content_digest=said[:SEEN_BYTES],
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[NotificationDismissal.notification_id, NotificationDismissal.subject_digest],
            set_={"content_digest": statement.excluded.content_digest, "dismissed_at": func.now()},
        )
    )


async def me(session: AsyncSession, viewer: Viewer) -> Me:
    """The person's employer and own record, as far as they may see them.

    By a few columns: all of a record would have to be decrypted.
    """
    employer_status = await session.scalar(select(Employer.kota_status).where(Employer.ref == viewer.employer_ref))
    employee = (
        await session.execute(select(Employee.ref, Employee.kota_status).where(_is_viewer(viewer)))
    ).one_or_none()
    waiting: int | None = await session.scalar(select(func.count()).select_from(Notification).where(_visible(viewer)))
    processing: int | None = None
    if NotificationAudience.EMPLOYER in viewer.audiences:
        processing = await session.scalar(
            select(func.count())
            .select_from(Employee)
            .where(
                Employee.employer_ref == viewer.employer_ref,
                _of_customer(Employee.external_customer_id, viewer),
                # What Kota refused will not be processed; it is shown as rejected where records are looked up.
                Employee.state != SyncState.REJECTED,
                or_(Employee.kota_status.is_(None), Employee.kota_status == "pending"),
            )
        )
    return Me(
        employer_status=employer_status,
        employee_ref=employee.ref if employee else None,
        employee_status=employee.kota_status if employee else None,
        employees_processing=processing,
        open_notifications=waiting or 0,
    )


def _visible(viewer: Viewer) -> ColumnElement[bool]:
    dismissed = exists().where(
        NotificationDismissal.notification_id == Notification.id,
        NotificationDismissal.subject_digest == viewer.subject_digest,
        NotificationDismissal.content_digest == func.substr(Notification.content_digest, 1, SEEN_BYTES),
    )
    return and_(_open_for(viewer), ~dismissed)


def _open_for(viewer: Viewer) -> ColumnElement[bool]:
    """Open, and this person's to act on. What is for the operator is nobody's here."""
    theirs: list[ColumnElement[bool]] = []
    if NotificationAudience.EMPLOYER in viewer.audiences:
        employer_id = select(Employer.kota_id).where(Employer.ref == viewer.employer_ref).scalar_subquery()
        # One legal entity serves many customers: what names none of them is for all, where nobody requires one.
        customer = _of_customer(Notification.external_customer_id, viewer)
        if not viewer.customer_required:
            customer = or_(customer, Notification.external_customer_id.is_(None))
        theirs.append(
            and_(
                Notification.audience == NotificationAudience.EMPLOYER,
                Notification.kota_employer_id == employer_id,
                customer,
            )
        )
    if NotificationAudience.EMPLOYEE in viewer.audiences:
        employee_id = select(Employee.kota_id).where(_is_viewer(viewer)).scalar_subquery()
        theirs.append(
            and_(Notification.audience == NotificationAudience.EMPLOYEE, Notification.kota_employee_id == employee_id)
        )
    return and_(Notification.state == NotificationState.OPEN, or_(false(), *theirs))


def _is_viewer(viewer: Viewer) -> ColumnElement[bool]:
    """The employee that the token names, if they belong to its employer and its customer."""
    if viewer.employee_ref is None:
        return false()
    return and_(
        Employee.ref == viewer.employee_ref,
        Employee.employer_ref == viewer.employer_ref,
        _of_customer(Employee.external_customer_id, viewer),
    )


def _of_customer(column: InstrumentedAttribute[str | None], viewer: Viewer) -> ColumnElement[bool]:
    if viewer.is_cut_off:
        return false()
    return true() if viewer.external_customer_id is None else column == viewer.external_customer_id
