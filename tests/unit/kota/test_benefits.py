from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from app.kota import KotaUnreadable
from tests.unit.kota.kota_double import Kota, client_of, page

LIVE = ["active", "scheduled"]
POLICY = {
    "id": "p_1",
    "status": "active",
    "type": "health_insurance",
    "plan": {"name": "Example Plan", "currency": "eur", "new": 1},
    "end_date": None,
    "health_insurance": {
        "members": [{"id": "pm_1", "first_name": "Test Child", "member_type": "child"}],
        "estimated_gross_premium": {"currency": "eur", "monthly": {"total": 100.10}},
    },
}


async def test_a_policy_shows_who_is_covered_and_at_what_price() -> None:
    kota = Kota([page([POLICY])])
    [policy] = [one async for one in client_of(kota).list_policies(employee_id="ee_1", statuses=LIVE)]
    assert dict(kota.last.url.params) == {
        "employee_id": "ee_1",
        "status": "active,scheduled",
        "page": "1",
        "page_size": "100",
    }
    health = policy.health_insurance
    assert health is not None
    assert [(member.first_name, member.member_type) for member in health.members] == [("Test Child", "child")]
    assert health.estimated_gross_premium is not None
    assert health.estimated_gross_premium.monthly is not None
    assert health.estimated_gross_premium.monthly.total == Decimal("100.1")
    assert "Test Child" not in repr(policy) + repr(health)


@pytest.mark.parametrize(
    "change",
    [{"status": None}, {"end_date": "soon"}, {"health_insurance": "yes"}, {"health_insurance": {"members": None}}],
)
async def test_what_cannot_be_read_of_a_policy_is_not_taken_for_nothing(change: dict[str, Any]) -> None:
    listed = client_of(Kota([page([{**POLICY, **change}])])).list_policies(employee_id="ee_1", statuses=[])
    with pytest.raises(KotaUnreadable, match=next(iter(change))):
        assert [policy async for policy in listed]


async def test_each_list_has_its_own_address() -> None:
    kota = Kota([page([{"id": "x_1", "status": "active"}])])
    client = client_of(kota)
    for listed in (
        client.list_policies(employee_id="ee_1", statuses=LIVE),
        client.list_group_policies(employer_id="er_1", statuses=LIVE),
        client.list_employee_health_policies("ee_1", statuses=LIVE),
        client.list_employer_health_policies("er_1", statuses=LIVE),
        client.list_enrolment_intents(employee_id="ee_1"),
        client.list_amendment_intents("p_1", statuses=["processing"]),
        client.list_associated_persons("ee_1"),
    ):
        assert [one.id async for one in listed] == ["x_1"]
    paging = "page=1&page_size=100"
    assert [unquote(request.url.raw_path.decode()).removesuffix(paging) for request in kota.requests] == [
        "/policies?employee_id=ee_1&status=active,scheduled&",
        "/group_policies?employer_id=er_1&status=active,scheduled&",
        "/employees/ee_1/health_insurance/policies?status=active,scheduled&",
        "/employers/er_1/health_insurance/policies?status=active,scheduled&",
        "/enrolment_intents?employee_id=ee_1&",
        "/policies/p_1/policy_amendment_intents?status=processing&",
        "/employees/ee_1/associated_persons?",
    ]
