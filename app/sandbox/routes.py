"""Kota's paths, and what happens at Kota by itself."""

from app.sandbox import employees, employers, endpoints, events, finalizing, offboarding, sessions
from app.sandbox.http import Router
from app.sandbox.resources.groups import get_quote
from app.sandbox.resources.reads import get_breakdown, get_list, get_one, list_memberships, list_reports
from app.sandbox.world import Step, World

# What lists of policies show unless they are asked for something else.
IN_FORCE = frozenset({"active", "scheduled"})


def kota_router() -> Router[World]:
    router: Router[World] = Router()
    _add_hosted(router)
    _add_employer_resources(router)
    _add_employee_resources(router)
    _add_reports(router)
    router.add("GET", "/events", events.list_events)
    router.add("GET", "/events/{event_id}", events.get_event)
    router.add("POST", "/events/{event_id}/replay", events.replay_event)
    router.add("GET", "/webhooks/endpoints", endpoints.list_endpoints)
    router.add("GET", "/webhooks/endpoints/{webhook_endpoint_id}", endpoints.get_endpoint)
    return router


def _add_hosted(router: Router[World]) -> None:
    """What hosts send themselves.

    Idempotent are the calls that Kota's OpenAPI gives the header to, and those for sessions. Kota's prose promises it
    for every POST. The sandbox keeps that promise where keeping it shows a client's mistake (an old session token for
    a key used twice), and breaks it where a client had better not rely on it.
    """
    router.add("POST", "/employers", employers.create_employer, idempotent=True)
    router.add("GET", "/employers", employers.list_employers)
    router.add("GET", "/employers/{employer_id}", employers.get_employer)
    router.add("PUT", "/employers/{employer_id}", employers.update)
    router.add("POST", "/employers/{employer_id}/offboard", offboarding.offboard_employer, idempotent=True)
    router.add("POST", "/employees", employees.create_employee, idempotent=True)
    router.add("GET", "/employees", employees.list_employees)
    router.add("GET", "/employees/{employee_id}", employees.get_employee)
    router.add("PUT", "/employees/{employee_id}", employees.update)
    router.add("POST", "/employees/{employee_id}/offboard", offboarding.offboard_employee, idempotent=True)
    router.add("POST", "/employees/{employee_id}/offboard/cancel", offboarding.cancel_offboarding, idempotent=True)
    router.add("POST", "/embed/sessions", sessions.create_embed_session, idempotent=True)
    router.add("POST", "/hosted/sessions", sessions.create_hosted_session, idempotent=True)


def _add_employer_resources(router: Router[World]) -> None:
    quotes = "/employers/{employer_id}/health_insurance/quotes"
    router.add("GET", quotes, get_list("quote", of="employer_id"))
    router.add("GET", f"{quotes}/{{employer_quote_id}}", get_one("quote", of="employer_id"))
    policies = "/employers/{employer_id}/health_insurance/policies"
    router.add("GET", policies, get_list("employer_policy", of="employer_id"))
    router.add("GET", f"{policies}/{{employer_policy_id}}", get_one("employer_policy", of="employer_id"))
    router.add("GET", "/groups", get_list("group", filters=("employer_id",)))
    router.add("GET", "/groups/{group_id}", get_one("group"))
    router.add("GET", "/groups/{group_id}/employees", list_memberships)
    group_policies = get_list("group_policy", filters=("employer_id", "group_id"), default=IN_FORCE)
    router.add("GET", "/group_policies", group_policies)
    router.add("GET", "/group_policies/{group_policy_id}", get_one("group_policy"))
    for kind in ("group_quote_intent", "group_policy_intent"):
        router.add("GET", f"/{kind}s", get_list(kind, filters=("group_id", "plan_id")))
        router.add("GET", f"/{kind}s/{{{kind}_id}}", get_one(kind))
    router.add("GET", "/group_quote_intents/{group_quote_intent_id}/quote", get_quote)


def _add_employee_resources(router: Router[World]) -> None:
    people = "/employees/{employee_id}/associated_persons"
    router.add("GET", people, get_list("associated_person", of="employee_id", parent="employee"))
    router.add("GET", f"{people}/{{associated_person_id}}", get_one("associated_person", of="employee_id"))
    offers = "/employees/{employee_id}/health_insurance/offers"
    router.add("GET", offers, get_list("offer", of="employee_id", parent="employee"))
    router.add("GET", f"{offers}/{{employee_offer_id}}", get_one("offer", of="employee_id"))
    own_policies = "/employees/{employee_id}/health_insurance/policies"
    router.add("GET", own_policies, get_list("employee_policy", of="employee_id"))
    router.add("GET", f"{own_policies}/{{employee_policy_id}}", get_one("employee_policy", of="employee_id"))
    policy_filters = ("employee_id", "group_id", "group_policy_id")
    router.add("GET", "/policies", get_list("policy", filters=policy_filters, default=IN_FORCE))
    router.add("GET", "/policies/{policy_id}", get_one("policy"))
    amendments = "/policies/{policy_id}/policy_amendment_intents"
    # The one list that starts with the oldest.
    router.add(
        "GET",
        amendments,
        get_list("policy_amendment_intent", of="policy_id", parent="policy", newest_first=False),
    )
    router.add(
        "GET", f"{amendments}/{{policy_amendment_intent_id}}", get_one("policy_amendment_intent", of="policy_id")
    )
    for kind in ("enrolment_intent", "policy_import_intent"):
        router.add("GET", f"/{kind}s", get_list(kind, filters=("employee_id", "group_id")))
        router.add("GET", f"/{kind}s/{{{kind}_id}}", get_one(kind))
    router.add(
        "GET",
        "/dependents_management_intents/{dependents_management_intent_id}",
        get_one("dependents_management_intent"),
    )


def _add_reports(router: Router[World]) -> None:
    router.add("GET", "/contribution_reports", list_reports)
    report = "/contribution_reports/{contribution_report_id}"
    router.add("GET", report, get_one("contribution_report"))
    router.add("POST", f"{report}/finalize", finalizing.finalize_report)
    breakdowns = get_list("employee_breakdown", of="contribution_report_id", parent="contribution_report")
    router.add("GET", f"{report}/employee_breakdowns", breakdowns)
    router.add("GET", f"{report}/employee_breakdowns/{{employee_id}}", get_breakdown)


# What happens by itself, by the name that is kept in records.
STEPS: dict[str, Step] = {
    "activate_employer": employers.activate,
    "activate_employee": employees.activate,
    "complete_offboarding": offboarding.complete,
}
