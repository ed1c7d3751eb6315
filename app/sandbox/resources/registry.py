"""All kinds of resources that hosts do not send, by name."""

from app.sandbox.resources import amendments, enrolments, groups, offers, people, policies, reports
from app.sandbox.resources.kind import Kind, Maker
from app.sandbox.world import World

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        people.ASSOCIATED_PERSON,
        offers.QUOTE,
        offers.OFFER,
        policies.POLICY,
        policies.GROUP_POLICY,
        policies.EMPLOYEE_POLICY,
        policies.EMPLOYER_POLICY,
        groups.GROUP,
        groups.GROUP_EMPLOYEE,
        groups.GROUP_QUOTE_INTENT,
        groups.GROUP_POLICY_INTENT,
        enrolments.ENROLMENT_INTENT,
        enrolments.DEPENDENTS_MANAGEMENT_INTENT,
        amendments.POLICY_AMENDMENT_INTENT,
        amendments.POLICY_IMPORT_INTENT,
        reports.CONTRIBUTION_REPORT,
        reports.EMPLOYEE_BREAKDOWN,
    )
}
KIND_OF_PREFIX = {kind.prefix: kind.name for kind in KINDS.values() if kind.prefix}


def maker(world: World) -> Maker:
    return Maker(world, KINDS)
