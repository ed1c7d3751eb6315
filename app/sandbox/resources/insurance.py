"""What policies, quotes and offers share: a provider, a plan, prices, renewals and required actions."""

from app.sandbox.resources.kind import Maker
from app.sandbox.store import Json

PLAN_ID = "pl_000000000000000000000000000000c1"
DUE_IN_DAYS = 14


def provider() -> Json:
    return {
        "id": "pr_000000000000000000000000000000d1",
        "name": "Example Health",
        "description": "A made-up insurer.",
        "logo_url": "https://assets.example.com/logo.svg",
        "employer_portal_url": None,
        "employee_portal_url": None,
        "support_phone_number": "+35315550100",
    }


def plan() -> Json:
    return {
        "id": PLAN_ID,
        "name": "Example Plan 1",
        "description": "A made-up plan.",
        "currency": "eur",
        "documents": [{"type": "ipid", "title": "IPID", "link": "https://assets.example.com/ipid.pdf"}],
    }


def coverage_level() -> Json:
    return {
        "plan_id": PLAN_ID,
        "plan_name": "Example Plan 1",
        "plan_currency": "eur",
        "provider_name": "Example Health",
        "provider_logo_url": "https://assets.example.com/logo.svg",
        "provider_employer_platform_url": None,
        "provider_support_phone": "+35315550100",
        "documents": [{"title": "IPID", "link": "https://assets.example.com/ipid.pdf"}],
    }


def cost_sharing() -> Json:
    return {"type": "percentage", "percentage": {"percentage": 80}}


def estimated_premium() -> Json:
    return {
        "currency": "eur",
        "monthly": {"employee_contribution": 20.1, "employer_contribution": 80.4, "total": 100.5},
        "term": {"employee_contribution": 241.2, "employer_contribution": 964.8, "total": 1206.0},
    }


def renewal(maker: Maker, *, status: str = "upcoming") -> Json:
    far = 300 if status == "upcoming" else 30
    return {
        "status": status,
        "renewal_date": maker.day(far),
        "window_start_date": maker.day(far - 45),
        "window_end_date": maker.day(far - 10),
    }


def required_action(maker: Maker, *, reason: str) -> Json:
    """As on quotes and offers: `due_at`, a date. The text is regulated wording, to be shown as it is."""
    return {
        "reason": reason,
        "reason_description": f"{reason} in Kota <before the due date> & no later, “as agreed”.",
        "code": "decision_needed",
        "due_at": maker.day(DUE_IN_DAYS),
    }


def intent_action(*, due_by: str, code: str = "provide_missing_information") -> Json:
    """As on intents: `due_by`, mostly a date-time."""
    return {
        "code": code,
        "reason": "Information needed",
        "reason_description": "Please provide the missing details & confirm them <in Kota>.",
        "due_by": due_by,
    }
