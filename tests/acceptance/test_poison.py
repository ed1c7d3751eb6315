"""A resource that Kota never answers for: its events die and are seen, all others go on, and a replay mends it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import wait_until
from tests.support.stack import Process, Stack

POISONOUS = ("p_poisonous_one", "p_poisonous_two")
OTHERS = 30
# Twelve attempts take half an hour in production.
SETTINGS = {"EVENT_RETRY_FIRST": "0.05", "EVENT_RETRY_LONGEST": "0.2"}

pytestmark = pytest.mark.acceptance


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "stack", settings=SETTINGS, sandbox={"SANDBOX_KIND": "true"}) as stack:
        yield stack


def test_poisonous_events_die_delay_no_other_and_live_after_a_replay(stack: Stack) -> None:
    for id_ in POISONOUS:
        fault = {"method": "GET", "path": f"/policies/{id_}", "kind": "status", "status": 500}
        stack.control("POST", "faults", fault)
    by_command, by_route = (_emit(stack, policy_id=id_) for id_ in POISONOUS)
    others = {_emit(stack) for _ in range(OTHERS)}
    wait_until(lambda: others <= _events(stack, "processed").keys())
    wait_until(lambda: _events(stack, "dead").keys() == {by_command, by_route})
    for event in _events(stack, "dead").values():
        assert event["attempts"] == 12
        assert event["last_error"] == {"code": "internal_error"}
    listed = _command(stack, "events", "list", "--state", "dead")
    assert by_command in listed
    assert by_route in listed
    assert "2 of 2 events" in listed

    # Replayed while the fault is still there, it dies again.
    _command(stack, "events", "replay", by_command)
    wait_until(lambda: _event(stack, by_command)["state"] == "dead")
    stack.control("DELETE", "faults")
    assert _event(stack, by_command)["state"] == "dead"
    _command(stack, "events", "replay", by_command)
    wait_until(lambda: _event(stack, by_command)["state"] == "processed")
    assert _event(stack, by_route)["state"] == "dead"
    answer = httpx.post(
        f"{stack.api_urls[0]}/internal/events/{by_route}/replay", headers=stack.service_headers, timeout=30
    )
    assert answer.status_code == 202, answer.text
    wait_until(lambda: _event(stack, by_route)["state"] == "processed")
    assert _events(stack, "dead") == {}
    assert _event(stack, by_route)["last_error"] is None


def _emit(stack: Stack, **data: str) -> str:
    told = stack.control("POST", "emit", {"type": "policy.active", "version": "v2", "data": data})
    return str(told["id"])


def _events(stack: Stack, state: str) -> dict[str, dict[str, Any]]:
    items = _get(stack, f"/internal/events?state={state}&type=policy.active&limit=200")["items"]
    return {item["id"]: item for item in items}


def _event(stack: Stack, event_id: str) -> dict[str, Any]:
    return _get(stack, f"/internal/events/{event_id}")


def _get(stack: Stack, path: str) -> dict[str, Any]:
    answer = httpx.get(f"{stack.api_urls[0]}{path}", headers=stack.service_headers, timeout=30)
    answer.raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


def _command(stack: Stack, *arguments: str) -> str:
    """What a command says that runs beside the stack."""
    command = Process("-".join(arguments), list(arguments), env=stack.apis[0].env, folder=stack.folder)
    command.start()
    wait_until(lambda: command.poll() is not None)
    assert command.poll() == 0, command.logs()
    return command.logs()
