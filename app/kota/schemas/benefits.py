"""What a person would lose: policies, and what is under way towards one.

Here an unreadable field makes the whole answer unreadable. These are shown to someone about to end somebody's
insurance, and unknown must not look like none.
"""

from decimal import Decimal

from pydantic import Field

from app.kota.schemas.base import KotaModel
from app.kota.schemas.records import Identifier
from app.kota.times import Day


class Provider(KotaModel):
    name: str | None = None


class Plan(KotaModel):
    name: str | None = None
    currency: str | None = None


class PremiumAmounts(KotaModel):
    employee_contribution: Decimal | None = None
    employer_contribution: Decimal | None = None
    total: Decimal | None = None


class PremiumEstimate(KotaModel):
    """Kota's own estimate, for planning; `term` does not know of an early end."""

    currency: str | None = None
    monthly: PremiumAmounts | None = None
    term: PremiumAmounts | None = None


class PolicyRenewal(KotaModel):
    """`window_end_date` is the last day on which something can be changed."""

    status: str | None = None
    renewal_date: Day | None = None
    window_start_date: Day | None = None
    window_end_date: Day | None = None


class PolicyMember(KotaModel):
    """One who is covered: the employee or a dependant, who loses cover with them."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    member_type: str | None = None


class PolicyHealthInsurance(KotaModel):
    policy_number: str | None = None
    opt_out_deadline: Day | None = None
    renewal: PolicyRenewal | None = None
    members: list[PolicyMember] = Field(default_factory=list)
    estimated_gross_premium: PremiumEstimate | None = None


class Policy(KotaModel):
    """One employee's policy (`p_…`). `status` is `scheduled`, `active`, `expired` or `cancelled`, or a newer word."""

    id: Identifier
    status: str
    employee_id: str | None = None
    group_id: str | None = None
    group_policy_id: str | None = None
    type: str | None = None
    bundling_type: str | None = None
    provider: Provider | None = None
    plan: Plan | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    cancellation_date: Day | None = None
    health_insurance: PolicyHealthInsurance | None = None


class GroupPolicy(KotaModel):
    """A group's policy (`gp_…`), under which its employees have theirs."""

    id: Identifier
    status: str
    employer_id: str | None = None
    group_id: str | None = None
    type: str | None = None
    provider: Provider | None = None
    plan: Plan | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    cancellation_date: Day | None = None


class CoverageLevel(KotaModel):
    plan_name: str | None = None
    plan_currency: str | None = None
    provider_name: str | None = None


class EmployeeHealthPolicy(KotaModel):
    """The older view of an employee's cover (`eehp_…`). The same cover can be a `Policy` too: never add them up."""

    id: Identifier
    status: str
    employer_id: str | None = None
    employee_id: str | None = None
    external_customer_id: str | None = None
    policy_number: str | None = None
    enrolment_type: str | None = None
    coverage_level: CoverageLevel | None = None
    enrolled_dependants_count: int | None = None
    estimated_gross_premium: PremiumEstimate | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    cancellation_date: Day | None = None
    opt_out_deadline_date: Day | None = None
    renewal: PolicyRenewal | None = None


class EmployerHealthPolicy(KotaModel):
    """The older view of an employer's scheme (`erhp_…`)."""

    id: Identifier
    status: str
    employer_id: str | None = None
    group_policy_number: str | None = None
    enrolment_type: str | None = None
    coverage_levels: list[CoverageLevel] = Field(default_factory=list)
    start_date: Day | None = None
    end_date: Day | None = None
    cancellation_date: Day | None = None
    renewal: PolicyRenewal | None = None


class EnrolmentIntent(KotaModel):
    """An enrolment under way or done. Its last states are `enrolled`, `not_undertaken` and `ineligible`."""

    id: Identifier
    status: str
    employee_id: str | None = None
    group_id: str | None = None


class AmendmentIntent(KotaModel):
    """A change to a policy, under way or done."""

    id: Identifier
    status: str
    policy_id: str | None = None


class AssociatedPerson(KotaModel):
    """A dependant or beneficiary of an employee."""

    id: Identifier
    employee_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    relationship_type: str | None = None
