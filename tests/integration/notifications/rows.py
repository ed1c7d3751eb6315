"""Resources that ask for something, and what comes of them."""

from typing import Any

from sqlalchemy import func, select, update

from app.models import KotaResource, Notification, OutboxMessage
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, event
from tests.integration.stack import Stack

OFFER = f"/employees/{EMPLOYEE_ID}/health_insurance/offers/eeho_1"
WORDS = {"reason": "Respond", "reason_description": "Accept or decline.", "code": "c", "due_at": "2026-03-16"}
ASKING = {"status": "action_required", "action_required": WORDS, "required_action": WORDS}


def offer(status: str = "action_required", **words: Any) -> dict[str, Any]:
    return {
        "id": "eeho_1",
        "employee_id": EMPLOYEE_ID,
        "employer_id": EMPLOYER_ID,
        "external_customer_id": "customer-1",
        "status": status,
        "required_action": WORDS | words if status == "action_required" else None,
    }


def told(number: int) -> dict[str, Any]:
    return event(
        number,
        "employee.health_insurance.offer.action_required",
        id="eeho_1",
        employee_id=EMPLOYEE_ID,
        employer_id=EMPLOYER_ID,
    )


async def notifications(stack: Stack) -> list[Notification]:
    async with stack.sessions() as session:
        return list(await session.scalars(select(Notification).order_by(Notification.kind, Notification.resource_id)))


async def messages(stack: Stack) -> list[OutboxMessage]:
    async with stack.sessions() as session:
        return list(
            await session.scalars(select(OutboxMessage).where(OutboxMessage.object.startswith("notification/")))
        )


async def again(stack: Stack) -> None:
    """Look at everything once more, as when a poll is due."""
    async with stack.sessions.begin() as session:
        await session.execute(update(KotaResource).values(next_attempt_at=func.now()))
    await stack.process()


async def concerned(stack: Stack, type: str, **data: str) -> Notification:
    await stack.deliver(event(1, type, **data))
    await stack.process()
    [notification] = await notifications(stack)
    return notification
