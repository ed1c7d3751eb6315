"""Whom a resource at Kota concerns. Some name nobody, so that their parents have to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.kota import KotaClient, KotaNotFound, KotaUnreadable, read_id
from app.models.employee import IS_TOMBSTONE, Employee
from app.models.employer import Employer
from app.models.kota_resource import KotaResource

Content = Mapping[str, Any]

_OF_GROUPS = {"group_quote_intent", "group_policy_intent", "group_policy"}
_AMENDMENT, _DEPENDENTS = "policy_amendment_intent", "dependents_management_intent"


@dataclass(frozen=True, slots=True)
class Concerned:
    """Kota's ids of those whom something concerns, and the employer-of-record's customer; None for unknown."""

    employer_id: str | None = None
    employee_id: str | None = None
    external_customer_id: str | None = None


class Finder:
    """Finds out whom a resource concerns: from the resource, from events of before, from our records, from Kota."""

    def __init__(self, sessions: Sessions, kota: KotaClient) -> None:
        self._sessions = sessions
        self._kota = kota

    async def find(self, kind: str, content: Content, ids: Mapping[str, str]) -> Concerned:
        """`ids` are those that events named along with the resource. Raises KotaError; opens its own transactions."""
        if kind == _DEPENDENTS:
            return await self._of_parent(content)
        employee_id = read_id(content, "employee_id") or ids.get("employee_id")
        employer_id = read_id(content, "employer_id") or ids.get("employer_id")
        if kind == _AMENDMENT and employee_id is None:
            employee_id = await self._of_policy(read_id(content, "policy_id") or ids.get("policy_id"))
        if employee_id is None and employer_id is None and kind in _OF_GROUPS:
            employer_id = await self._of_group(read_id(content, "group_id") or ids.get("group_id"))
        customer = read_id(content, "external_customer_id") or ids.get("external_customer_id")
        if employee_id is None:
            return Concerned(employer_id, None, customer)
        return await self._employee(employee_id, employer_id, customer)

    async def _employee(self, employee_id: str, employer_id: str | None, customer: str | None) -> Concerned:
        async with self._sessions.begin() as session:
            known = await _known_employee(session, employee_id)
        if known is None and (employer_id is None or customer is None):
            try:
                employee = await self._kota.get_employee(employee_id)
            except KotaNotFound:
                return Concerned(employer_id, employee_id, customer)
            if employee.id != employee_id:
                raise KotaUnreadable("GET /employees/{employee_id}", "another employee")
            known = Concerned(employee.employer_id, employee_id, employee.external_customer_id)
        known = known or Concerned()
        return Concerned(employer_id or known.employer_id, employee_id, customer or known.external_customer_id)

    async def _of_parent(self, content: Content) -> Concerned:
        """Kota's dependents management names neither employee nor employer, but the intent that it belongs to."""
        parent = read_id(content, "parent_intent_id")
        if parent is None:
            return Concerned()
        known = await self._remembered(parent)
        if known.get("employee_id"):
            return await self._employee(known["employee_id"], known.get("employer_id"), None)
        if content.get("parent_intent_type") == _AMENDMENT:
            # An amendment is read below its policy, and only its own events name that.
            employee_id = await self._of_policy(known.get("policy_id"))
        else:
            employee_id = await self._named_by("employee_id", "/enrolment_intents/{enrolment_intent_id}", parent)
        return await self._employee(employee_id, None, None) if employee_id else Concerned()

    async def _of_policy(self, policy_id: str | None) -> str | None:
        if policy_id is None:
            return None
        return await self._named_by("employee_id", "/policies/{policy_id}", policy_id)

    async def _of_group(self, group_id: str | None) -> str | None:
        if group_id is None:
            return None
        known = await self._remembered(group_id)
        return known.get("employer_id") or await self._named_by("employer_id", "/groups/{group_id}", group_id)

    async def _remembered(self, id: str) -> Mapping[str, str]:
        """The ids that events named along with a resource."""
        async with self._sessions.begin() as session:
            found = await session.scalars(select(KotaResource.path_params).where(KotaResource.id == id))
            return {name: value for ids in found for name, value in ids.items()}

    async def _named_by(self, member: str, path: str, id: str) -> str | None:
        """The id that a parent always names; None if there is no such parent. An answer without it is unreadable."""
        try:
            content = await self._kota.get(path, {path.split("{")[1].rstrip("}"): id})
        except KotaNotFound:
            return None
        found = read_id(content, member)
        if found is None or content.get("id", id) != id:
            raise KotaUnreadable(f"GET {path}", f"no {member}")
        return found


async def is_tombstone(session: AsyncSession, employee_id: str | None) -> bool:
    """Whether the data of this employee was erased here: then nothing is kept or told of them any more.

    Whoever erases it just now waits for us, or we for them. Ask before anything is written that the erasure takes away.
    """
    found = select(IS_TOMBSTONE).where(Employee.kota_id == employee_id).with_for_update(read=True, key_share=True)
    return employee_id is not None and bool(await session.scalar(found))


async def _known_employee(session: AsyncSession, employee_id: str) -> Concerned | None:
    found = await session.execute(
        select(Employer.kota_id, Employee.external_customer_id)
        .join(Employer, Employer.ref == Employee.employer_ref)
        .where(Employee.kota_id == employee_id)
    )
    row = found.first()
    return None if row is None else Concerned(row[0], employee_id, row[1])
