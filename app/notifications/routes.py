"""`GET /notifications`, dismissing one, and `GET /me`: for a signed-in person of the host."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict, TypeAdapter

from app.auth.callers import User
from app.db.encryption import lookup_digest
from app.notifications.board import Viewer, dismiss, list_notifications, me
from app.web.dependencies import LookupKeyDep, SessionDep, SettingsDep
from app.web.openapi import problems
from app.web.pagination import PageDep
from app.web.routing import router as new_router
from app.web.times import Instant

router = new_router(tags=["notifications"])

_KEY = TypeAdapter(tuple[Instant, UUID])


class NotificationOut(BaseModel):
    """Something that this person has to do at Kota. Show `title` and `body` as they are: they are Kota's own words."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "6f1f1d0e-6a52-4b0c-9a55-0e5d6f0f3a11",
                    "audience": "employee",
                    "title": "Respond to your offer",
                    "body": "Accept or decline your health insurance offer.",
                    "due_on": "2026-03-16",
                    "opened_at": "2026-03-02T09:15:00Z",
                }
            ]
        }
    )

    id: UUID
    audience: Literal["employer", "employee"]
    title: str
    body: str | None
    due_on: date | None
    """The last day for it, by the person's own calendar."""
    opened_at: datetime


class NotificationPage(BaseModel):
    """Open notifications, newest first."""

    items: list[NotificationOut]
    next_cursor: str | None


class RecordOut(BaseModel):
    """A record by the host's reference. `status` is Kota's; null until Kota has told it."""

    ref: str
    status: str | None


class MeOut(BaseModel):
    """Who the token is about, and what waits."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "employer": {"ref": "acme", "status": "active"},
                    "employee": {"ref": "mary", "status": "pending"},
                    "employees_processing": 3,
                    "open_notifications": 1,
                }
            ]
        }
    )

    employer: RecordOut
    employee: RecordOut | None
    employees_processing: int | None
    """Employees that Kota is still working on; null for a person who does not act for the employer."""
    open_notifications: int


async def get_viewer(user: User, settings: SettingsDep, lookup_key: LookupKeyDep) -> Viewer:
    """The person as notifications need them."""
    return Viewer(
        employer_ref=user.employer_ref,
        employee_ref=user.employee_ref,
        audiences=user.audiences,
        external_customer_id=user.external_customer_id,
        customer_required=settings.require_external_customer,
        subject_digest=lookup_digest(lookup_key, "dismissal", user.subject.encode()),
    )


ViewerDep = Annotated[Viewer, Depends(get_viewer)]


@router.get("/notifications", summary="List my notifications", responses=problems(401, 403, 422))
async def list_(viewer: ViewerDep, session: SessionDep, page: PageDep) -> NotificationPage:
    """Open required actions of this person, and of their employer if they act for it."""
    found = await list_notifications(session, viewer, before=page.key(_KEY), limit=page.limit + 1)
    shown, cursor = page.cut(found, lambda notification: (notification.opened_at, notification.id))
    return NotificationPage(
        items=[NotificationOut.model_validate(item, from_attributes=True) for item in shown], next_cursor=cursor
    )


@router.post(
    "/notifications/{notification_id}/dismiss",
    status_code=204,
    summary="Dismiss a notification",
    responses=problems(401, 403, 404, 422),
)
async def dismiss_one(viewer: ViewerDep, session: SessionDep, notification_id: UUID) -> Response:
    """For this person only; a changed text or date brings it back, and so does being asked again."""
    await dismiss(session, viewer, notification_id)
    return Response(status_code=204)


@router.get("/me", summary="Get my employer's and my own status", responses=problems(401, 403))
async def show_me(viewer: ViewerDep, session: SessionDep) -> MeOut:
    """The records that the token names, and what waits for this person."""
    found = await me(session, viewer)
    return MeOut(
        employer=RecordOut(ref=viewer.employer_ref, status=found.employer_status),
        employee=RecordOut(ref=found.employee_ref, status=found.employee_status) if found.employee_ref else None,
        employees_processing=found.employees_processing,
        open_notifications=found.open_notifications,
    )
