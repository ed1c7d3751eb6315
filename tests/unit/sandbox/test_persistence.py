from pathlib import Path

from tests.kota_bodies import employer_body
from tests.unit.sandbox.conftest import OpenSandbox

KEY = {"idempotency-key": "3a6b2a52-0000-4000-8000-000000000001"}


async def test_a_restarted_sandbox_knows_what_it_knew(open_sandbox: OpenSandbox, tmp_path: Path) -> None:
    before = open_sandbox(kind=True, data_dir=tmp_path)
    employer = (await before.post("/employers", json=employer_body(), headers=KEY)).json()
    employee = await before.new_employee(employer["id"])
    await before.put(f"/employees/{employee['id']}", json={"last_name": "Changed"})
    await before.post("/_control/keys", json={"api_keys": ["pk_test_sandbox", "pk_test_next"]})
    state = await before.read("/_control/state")
    events = await before.read("/events")

    after = open_sandbox(kind=True, data_dir=tmp_path)
    assert await after.read("/_control/state") == state
    assert await after.read("/events") == events
    assert (await after.post("/employers", json=employer_body(), headers=KEY)).json() == employer
    assert (await after.get("/employers", headers={"authorization": "Bearer pk_test_next"})).status_code == 200


async def test_what_was_due_happens_after_the_restart(open_sandbox: OpenSandbox, tmp_path: Path) -> None:
    before = open_sandbox(kind=True, data_dir=tmp_path)
    employer = await before.new_employer()
    await before.new_employee(employer["id"])
    await before.advance(0.5)
    after = open_sandbox(kind=True, data_dir=tmp_path)
    await after.advance(5)
    state = await after.read("/_control/state")
    assert [state[kind][0]["status"] for kind in ("employer", "employee")] == ["active", "active"]


async def test_a_line_that_a_crash_cut_short_is_dropped(open_sandbox: OpenSandbox, tmp_path: Path) -> None:
    await open_sandbox(kind=True, data_dir=tmp_path).new_employer()
    with (tmp_path / "sandbox.jsonl").open("ab") as journal:
        journal.write(b'["put", "employer", "er_')
    cut = open_sandbox(kind=True, data_dir=tmp_path)
    assert (await cut.read("/employers"))["total_count"] == 1
    await cut.new_employer()
    assert (await open_sandbox(kind=True, data_dir=tmp_path).read("/employers"))["total_count"] == 2


async def test_reset_empties_the_journal(open_sandbox: OpenSandbox, tmp_path: Path) -> None:
    before = open_sandbox(kind=True, data_dir=tmp_path)
    await before.new_employer()
    await before.post("/_control/reset")
    assert (await open_sandbox(kind=True, data_dir=tmp_path).read("/employers"))["total_count"] == 0
