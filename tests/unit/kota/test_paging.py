from typing import Any

import pytest

from app.kota import KotaUnreadable
from tests.unit.kota.kota_double import Kota, client_of, ok, page


async def ids(kota: Kota) -> list[str]:
    return [employee.id async for employee in client_of(kota).list_employees(employer_id="er_1")]


async def test_without_a_word_about_a_next_page_the_total_decides() -> None:
    full = [{"id": f"ee_{number}"} for number in range(100)]
    kota = Kota([page(full, total=101, more=None), page([{"id": "ee_100"}], total=101, more=None)])
    assert len(await ids(kota)) == 101
    assert len(kota.requests) == 2


async def test_without_any_word_an_empty_page_is_the_last() -> None:
    kota = Kota([ok({"items": [{"id": "ee_1"}]}), ok({"items": []})])
    assert await ids(kota) == ["ee_1"]


async def test_an_empty_list_has_one_page() -> None:
    assert await ids(Kota([page([])])) == []


@pytest.mark.parametrize("answer", [{}, [], {"items": None}, {"items": {}}, "x"])
async def test_what_is_no_page_is_unreadable(answer: Any) -> None:
    with pytest.raises(KotaUnreadable, match="not a page"):
        await ids(Kota([ok(answer)]))


@pytest.mark.parametrize("item", [{}, {"id": 7}, {"id": None}, "ee_1", None])
async def test_an_item_that_cannot_be_told_apart_is_not_skipped(item: Any) -> None:
    with pytest.raises(KotaUnreadable, match="an item without id"):
        await ids(Kota([page([item])]))


async def test_an_empty_page_that_promises_more_is_not_taken_for_the_end() -> None:
    with pytest.raises(KotaUnreadable, match="without end"):
        await ids(Kota([page([], more=True)]))


async def test_a_list_that_does_not_end_is_given_up() -> None:
    kota = Kota([page([{"id": "ee_1"}], more=True)])
    with pytest.raises(KotaUnreadable, match="without end"):
        await ids(kota)
    assert len(kota.requests) == 5
