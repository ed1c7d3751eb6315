import pytest

from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


async def test_lists_are_paged_newest_first_and_say_how_many_rows_they_show(sandbox: SandboxClient) -> None:
    employers = [await sandbox.new_employer() for _ in range(5)]
    page = await sandbox.read("/employers", page=2, page_size=2)
    assert [item["id"] for item in page["items"]] == [employers[2]["id"], employers[1]["id"]]
    assert page["has_next_page"] is page["has_previous_page"] is True
    last = await sandbox.read("/employers", page=3, page_size=2)
    assert (last["page"], last["page_size"], last["total_count"]) == (3, 1, 5)
    assert last["has_next_page"] is False
    beyond = await sandbox.read("/employers", page=9)
    assert (beyond["items"], beyond["page_size"]) == ([], 0)


async def test_ten_rows_are_a_page_unless_asked_otherwise(sandbox: SandboxClient) -> None:
    for _ in range(11):
        await sandbox.new_employer()
    assert (await sandbox.read("/employers"))["page_size"] == 10


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "x"}, {"page_size": "101"}, {"page_size": "-1"}])
async def test_a_page_that_makes_no_sense_is_refused(sandbox: SandboxClient, query: dict[str, str]) -> None:
    answer = await sandbox.get("/employers", params=query)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == list(query)


async def test_lists_show_what_was_written_two_seconds_ago_and_single_reads_what_is_now(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = open_sandbox(drift=0)
    employer = await sandbox.new_employer()
    employee = await sandbox.new_employee(employer["id"])
    assert (await sandbox.read("/employees"))["total_count"] == 0
    await sandbox.advance(2.1)
    assert (await sandbox.read("/employees"))["total_count"] == 1

    await sandbox.put(f"/employees/{employee['id']}", json={"last_name": "Changed"})
    assert (await sandbox.read(f"/employees/{employee['id']}"))["last_name"] == "Changed"
    assert (await sandbox.read("/employees"))["items"][0]["last_name"] == "Example"
    await sandbox.advance(2.1)
    assert (await sandbox.read("/employees"))["items"][0]["last_name"] == "Changed"


async def test_a_lagging_list_filters_by_what_it_shows(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(drift=0)
    employer = await sandbox.new_employer()
    await sandbox.advance(10)
    await sandbox.post("/_control/advance", json={"id": employer["id"], "status": "restricted"})
    assert (await sandbox.read("/employers", filter="restricted"))["total_count"] == 0
    assert (await sandbox.read("/employers", filter="active"))["total_count"] == 1
    await sandbox.advance(2.1)
    assert (await sandbox.read("/employers", filter="restricted"))["total_count"] == 1
