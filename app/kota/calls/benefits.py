"""Reading what people are insured with, and what is under way."""

from collections.abc import AsyncIterator, Sequence

from app.kota.caller import Calls
from app.kota.connection import query_of
from app.kota.schemas.benefits import (
    AmendmentIntent,
    AssociatedPerson,
    EmployeeHealthPolicy,
    EmployerHealthPolicy,
    EnrolmentIntent,
    GroupPolicy,
    Policy,
)


class BenefitCalls(Calls):
    """Lists take `statuses`: unasked, Kota often shows only some of them (see its OpenAPI)."""

    def list_policies(self, *, employee_id: str, statuses: Sequence[str]) -> AsyncIterator[Policy]:
        return self._list(Policy, "/policies", query_of(employee_id=employee_id, status=statuses))

    def list_group_policies(self, *, employer_id: str, statuses: Sequence[str]) -> AsyncIterator[GroupPolicy]:
        return self._list(GroupPolicy, "/group_policies", query_of(employer_id=employer_id, status=statuses))

    def list_employee_health_policies(
        self, employee_id: str, *, statuses: Sequence[str]
    ) -> AsyncIterator[EmployeeHealthPolicy]:
        template = "/employees/{employee_id}/health_insurance/policies"
        return self._list(EmployeeHealthPolicy, template, query_of(status=statuses), employee_id=employee_id)

    def list_employer_health_policies(
        self, employer_id: str, *, statuses: Sequence[str]
    ) -> AsyncIterator[EmployerHealthPolicy]:
        template = "/employers/{employer_id}/health_insurance/policies"
        return self._list(EmployerHealthPolicy, template, query_of(status=statuses), employer_id=employer_id)

    def list_enrolment_intents(self, *, employee_id: str) -> AsyncIterator[EnrolmentIntent]:
        """All of them, final ones too: a status that Kota renames would be refused as a filter."""
        return self._list(EnrolmentIntent, "/enrolment_intents", query_of(employee_id=employee_id))

    def list_amendment_intents(self, policy_id: str, *, statuses: Sequence[str]) -> AsyncIterator[AmendmentIntent]:
        """Oldest first, unlike every other list."""
        template = "/policies/{policy_id}/policy_amendment_intents"
        return self._list(AmendmentIntent, template, query_of(status=statuses), policy_id=policy_id)

    def list_associated_persons(self, employee_id: str) -> AsyncIterator[AssociatedPerson]:
        return self._list(AssociatedPerson, "/employees/{employee_id}/associated_persons", employee_id=employee_id)
