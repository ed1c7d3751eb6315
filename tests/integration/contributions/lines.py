"""Lines of contribution reports as Kota shows them."""

from itertools import count
from typing import Any

_numbers = count(1)


def line(amount: float, **changes: Any) -> dict[str, Any]:
    """A premium of one month."""
    month = {"from_date": "2026-03-01", "to_date": "2026-03-31"}
    return {
        "id": f"ct_{next(_numbers):032x}",
        "category": "gross_premium",
        "member_type": "policyholder",
        "amount": amount,
        "type": "recurring",
        "adjustment": False,
        "adjustment_for": None,
        "note": None,
        "cover_period": month,
        "reporting_month": "2026-03-01",
        "policy_id": "p_1",
        "employee_policy_id": "eehp_1",
        **changes,
    }
