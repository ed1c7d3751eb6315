from decimal import Decimal
from typing import Any

import pytest

from app.contributions.lines import rows_of
from app.kota import EmployeeBreakdown, KotaUnreadable

MONTH = {"from_date": "2026-03-01", "to_date": "2026-03-31"}


def line(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ct_1",
        "category": "gross_premium",
        "member_type": "policyholder",
        "amount": Decimal("80.4"),
        "type": "recurring",
        "adjustment": False,
        "cover_period": MONTH,
        "reporting_month": "2026-03-01",
        **changes,
    }


def breakdown(*lines: dict[str, Any], employee: tuple[dict[str, Any], ...] = (), **changes: Any) -> EmployeeBreakdown:
    return EmployeeBreakdown.model_validate(
        {
            "employee_id": "ee_1",
            "contribution_report_id": "ctr_1",
            "employer_id": "er_1",
            "period": MONTH,
            "currency": "EUR",
            "health_insurance": {"employer_contributions": lines, "employee_contributions": employee},
            **changes,
        }
    )


def test_a_line_that_both_pay_is_a_row_each() -> None:
    rows = rows_of(breakdown(line(), employee=(line(),)))
    assert [(row["payer"], row["id"], row["currency"]) for row in rows] == [
        ("employer", "ct_1", "eur"),
        ("employee", "ct_1", "eur"),
    ]


@pytest.mark.parametrize(
    ("note", "stored"), [("a\x00b", "a\x00b"), ("half \ud83d", "half ?"), ("whole 🙂", "whole 🙂")]
)
def test_no_note_makes_a_report_unreadable(note: str, stored: str) -> None:
    assert rows_of(breakdown(line(note=note)))[0]["note"] == stored


@pytest.mark.parametrize("amount", ["0", "-0.000000000000000000000000000001", "1e20", "0.10"])
def test_an_amount_of_any_sensible_size_is_taken(amount: str) -> None:
    assert rows_of(breakdown(line(amount=Decimal(amount))))[0]["amount"] == Decimal(amount)


@pytest.mark.parametrize(
    "odd",
    [
        breakdown(line(), line(amount=Decimal(1))),
        breakdown(employee=(line(), line())),
        breakdown(line(policy_id="p\x00")),
        breakdown(line(category="tax\x00")),
        breakdown(line(adjustment_for="\x00")),
        breakdown(line(), currency="e\x00r"),
        breakdown(line(member_type="\ud83d")),
        breakdown(line(amount=Decimal("1e999999"))),
        breakdown(line(amount=Decimal("1e-999999"))),
    ],
)
def test_a_line_that_cannot_be_stored_makes_the_answer_unreadable(odd: EmployeeBreakdown) -> None:
    with pytest.raises(KotaUnreadable) as caught:
        rows_of(odd)
    assert "\x00" not in str(caught.value)
