"""SIGKILL between Kota's offboarding and our writing it down: it is found out, and not done a second time."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import wait_until
from tests.support.records import employee_record, employer_record
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

SOON = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "stack", sandbox={"SANDBOX_KIND": "true"}) as made:
        yield made


@pytest.mark.parametrize("happened", [True, False])
def test_killed_confirmation_is_found_out_after_the_restart(stack: Stack, *, happened: bool) -> None:
    with httpx.Client(base_url=f"{stack.api_urls[0]}/internal", headers=stack.service_headers, timeout=30) as http:
        kota_id = _active_employee(http)
        token = http.post("/employees/e1/offboarding/preview", json={}).json()["confirmation_token"]
        body = {"confirmation_token": token, "offboard_on": SOON, "offboard_reason": "end of contract"}
        # Kota holds its answer back; and if it is not to have happened, the connection ends before it does anything.
        path = f"/employees/{kota_id}/offboard"
        stack.control("POST", "faults", {"method": "POST", "path": path, "kind": "delay", "delay_ms": 1500})
        if not happened:
            stack.control("POST", "faults", {"method": "POST", "path": path, "kind": "drop_before", "times": 1})
        confirming = threading.Thread(target=_post_and_lose, args=(http, body))
        confirming.start()
        wait_until(lambda: bool(_calls(stack, kota_id)))
        stack.apis[0].kill()
        confirming.join()
        status = stack.control("GET", "state?kind=employee")["employee"][0]["status"]
        assert status == ("offboarding" if happened else "active")
        stack.control("DELETE", "faults")
        stack.apis[0].start()
        stack.wait_ready()
        # Sent again it finds out; used up it says no more.
        wait_until(lambda: http.post("/employees/e1/offboarding", json=body).status_code != 202, seconds=60)
        assert http.get("/employees/e1").json()["kota_status"] == "offboarding"
        assert stack.control("GET", "state?kind=employee")["employee"][0]["status"] == "offboarding"
        again = http.post("/employees/e1/offboarding", json=body)
        assert (again.status_code, again.json()["code"]) == (422, "confirmation_invalid")
        calls = _calls(stack, kota_id)
        assert len({call["headers"]["idempotency-key"] for call in calls}) == 1
        assert len(calls) == (1 if happened else 2)


def _active_employee(http: httpx.Client) -> str:
    http.put("/employers/acme", json=employer_record()).raise_for_status()
    kota_id = str(http.put("/employees/e1", json=employee_record("acme")).json()["kota_id"])
    for kind in ("employers/acme", "employees/e1"):
        wait_until(lambda kind=kind: http.get(f"/{kind}").json()["kota_status"] == "active", seconds=60)  # type: ignore[misc]  # mypy cannot type a lambda's default.
    return kota_id


def _post_and_lose(http: httpx.Client, body: dict[str, Any]) -> None:
    with pytest.raises(httpx.TransportError):
        http.post("/employees/e1/offboarding", json=body)


def _calls(stack: Stack, kota_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.control("GET", f"requests?method=POST&path=/employees/{kota_id}/offboard")
    return found
