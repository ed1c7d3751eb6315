"""Short ways to put rows in and to look at them."""

from typing import Any

from sqlalchemy import select

from app.models import Employee, Employer, KotaEvent, KotaResource
from tests.integration.stack import Stack

EMPLOYER_ID, EMPLOYEE_ID = "er_1", "ee_1"


def event(number: int, type: str, **data: Any) -> dict[str, Any]:
    """A v2 event with the given ids."""
    return {"id": f"evt_{number}", "type": type, "data": data, "version": "V2"}


async def add_people(stack: Stack, *, external_customer: str | None = None) -> None:
    """An employer `acme` and its employee `mary`, both at Kota."""
    record = {"desired": {}, "desired_digest": b"d"}
    async with stack.sessions.begin() as session:
        session.add(Employer(ref="acme", kota_id=EMPLOYER_ID, **record))
        await session.flush()
        session.add(
            Employee(
                ref="mary",
                employer_ref="acme",
                kota_id=EMPLOYEE_ID,
                external_customer_id=external_customer,
                **record,
            )
        )


async def get_event(stack: Stack, number: int) -> KotaEvent:
    async with stack.sessions() as session:
        found = await session.get(KotaEvent, f"evt_{number}")
    assert found
    return found


async def get_resource(stack: Stack, kind: str, id: str) -> KotaResource:
    async with stack.sessions() as session:
        found = await session.get(KotaResource, (kind, id))
    assert found
    return found


async def get_employee(stack: Stack, ref: str = "mary") -> Employee:
    async with stack.sessions() as session:
        return (await session.scalars(select(Employee).where(Employee.ref == ref))).one()
