"""Employers and employees: create, update, read, list, offboard.

The bodies of creates and updates are exact bytes, made once with `serialise` and kept, so that a repeated call is
identical; Kota keeps an idempotency key for an hour (Kota's page "Idempotency"). Updates take no key, and repeating
one is harmless.
"""

from collections.abc import AsyncIterator

from app.kota.caller import Calls
from app.kota.connection import Request, query_of
from app.kota.schemas.records import Employee, Employer

_EMPLOYERS = "/employers"
_EMPLOYER = "/employers/{employer_id}"
_EMPLOYEES = "/employees"
_EMPLOYEE = "/employees/{employee_id}"


class RecordCalls(Calls):
    async def create_employer(self, body: bytes, *, idempotency_key: str) -> Employer:
        request = Request("POST", _EMPLOYERS, body=body, idempotency_key=idempotency_key)
        return await self._write(Employer, request)

    async def update_employer(self, employer_id: str, body: bytes) -> Employer:
        """Change the fields in `body`; nested objects are replaced whole, absent fields stay."""
        return await self._write(Employer, Request("PUT", _EMPLOYER, {"employer_id": employer_id}, body=body))

    async def get_employer(self, employer_id: str) -> Employer:
        return await self._get(Employer, _EMPLOYER, employer_id=employer_id)

    def list_employers(self) -> AsyncIterator[Employer]:
        """Every employer, newest first; Kota has no filter by metadata here."""
        return self._list(Employer, _EMPLOYERS)

    async def offboard_employer(self, employer_id: str, *, idempotency_key: str) -> Employer:
        """At once, and for good: by Kota's OpenAPI every employee is offboarded too and no cancelling brings them back.

        Look at the employer's status before calling again after an unknown outcome.
        """
        ids = {"employer_id": employer_id}
        return await self._write(
            Employer, Request("POST", f"{_EMPLOYER}/offboard", ids, idempotency_key=idempotency_key)
        )

    async def create_employee(self, body: bytes, *, idempotency_key: str) -> Employee:
        """May enrol the person into insurance at once, if the employer's scheme says so (Kota's OpenAPI)."""
        request = Request("POST", _EMPLOYEES, body=body, idempotency_key=idempotency_key)
        return await self._write(Employee, request)

    async def update_employee(self, employee_id: str, body: bytes) -> Employee:
        """Change the fields in `body`; nested objects are replaced whole, absent fields stay."""
        return await self._write(Employee, Request("PUT", _EMPLOYEE, {"employee_id": employee_id}, body=body))

    async def get_employee(self, employee_id: str) -> Employee:
        return await self._get(Employee, _EMPLOYEE, employee_id=employee_id)

    def list_employees(self, *, employer_id: str, metadata_id: str | None = None) -> AsyncIterator[Employee]:
        """An employer's employees, newest first.

        `metadata_id` finds part of `metadata["id"]`, in any case and accent ("12" finds "312"): compare exactly.
        """
        return self._list(Employee, _EMPLOYEES, query_of(employer_id=employer_id, metadata_id=metadata_id))

    async def offboard_employee(self, employee_id: str, body: bytes, *, idempotency_key: str) -> Employee:
        """Cancels the person's policies. `body` has `offboard_on` (a date-time) and `offboard_reason`."""
        ids = {"employee_id": employee_id}
        return await self._write(
            Employee, Request("POST", f"{_EMPLOYEE}/offboard", ids, body=body, idempotency_key=idempotency_key)
        )

    async def cancel_offboarding(self, employee_id: str, *, idempotency_key: str) -> Employee:
        """Until the day before `offboard_on`; afterwards Kota rejects it as `invalid_state`."""
        ids = {"employee_id": employee_id}
        return await self._write(
            Employee, Request("POST", f"{_EMPLOYEE}/offboard/cancel", ids, idempotency_key=idempotency_key)
        )
