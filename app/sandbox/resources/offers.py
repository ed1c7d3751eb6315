"""Quotes for employers and offers for employees."""

from app.sandbox.resources.insurance import coverage_level, required_action
from app.sandbox.resources.kind import Kind, Maker
from app.sandbox.store import Json


def _quote(maker: Maker, given: Json) -> Json:
    return {
        "object": "employer_health_insurance_quote",
        "employer_id": maker.employer(given).id,
        "quoted_at": maker.now(),
        "required_action": None,
        "coverage_levels": [coverage_level()],
    }


def _offer(maker: Maker, given: Json) -> Json:
    employee = maker.employee(given)
    return {
        "object": "employee_health_insurance_offer",
        "employer_id": employee.body["employer_id"],
        "employee_id": employee.id,
        "external_customer_id": employee.body["external_customer_id"],
        "required_action": None,
        "coverage_level": coverage_level(),
    }


def _settled(_maker: Maker, _body: Json) -> Json:
    return {"required_action": None}


def _quote_to_review(maker: Maker, _body: Json) -> Json:
    return {"required_action": required_action(maker, reason="Review your quote")}


def _offer_to_answer(maker: Maker, _body: Json) -> Json:
    return {"required_action": required_action(maker, reason="Respond to your offer")}


QUOTE = Kind(
    "quote",
    "erhq",
    _quote,
    {
        "pending_quote": _settled,
        "action_required": _quote_to_review,
        "not_undertaken": _settled,
        "accepted": _settled,
        "pending_insurer_acceptance": _settled,
    },
    first="pending_quote",
)
OFFER = Kind(
    "offer",
    "eeho",
    _offer,
    {"action_required": _offer_to_answer, "not_undertaken": _settled, "accepted": _settled},
    first="action_required",
)
