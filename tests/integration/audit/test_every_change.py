"""Every mutating call of a backend leaves a row on the trail: a new route without one fails here."""

import json
from typing import Any

import pytest

from app.auth.doors import doors_of
from app.main import ROUTERS
from app.models import EventState, KotaEvent, OutboxMessage, OutboxState
from tests.integration.sessions.world import employee_row, employer_row, store
from tests.support.app import Host, RunningApp
from tests.support.records import employee_record, employer_record

CALLS: dict[str, tuple[str, Any, str, str]] = {
    "PUT /internal/employers/{ref}": ("/internal/employers/new", employer_record(), "employer.put", "employer:new"),
    "PUT /internal/employees/{ref}": (
        "/internal/employees/new",
        employee_record("acme"),
        "employee.put",
        "employee:new",
    ),
    "DELETE /internal/employers/{ref}": ("/internal/employers/fresh", None, "employer.withdraw", "employer:fresh"),
    "DELETE /internal/employees/{ref}": ("/internal/employees/fresh", None, "employee.withdraw", "employee:fresh"),
    "DELETE /internal/employees/{ref}/personal-data": (
        "/internal/employees/gone/personal-data",
        None,
        "employee.erase",
        "employee:gone",
    ),
    "POST /internal/events/replay": (
        "/internal/events/replay",
        {"state": "dead"},
        "event.replay_many",
        "events:state=dead",
    ),
    "POST /internal/events/reconcile": ("/internal/events/reconcile", None, "event.reconcile", "events"),
    "POST /internal/events/{event_id}/replay": (
        "/internal/events/evt_1/replay",
        None,
        "event.replay",
        "event:evt_1",
    ),
    "POST /internal/outbox/{id}/replay": (
        "/internal/outbox/notification/1/replay",
        None,
        "outbox.replay",
        "message:notification/1",
    ),
}
ELSEWHERE = {
    "POST /internal/batches": "takes lines and no JSON; tested below",
    "PUT /internal/employers/{ref}/link": "needs Kota; tested with the sync",
    "PUT /internal/employees/{ref}/link": "needs Kota; tested with the sync",
    "POST /internal/employees/{ref}/offboarding": "needs Kota; the attempt is tested below",
    "POST /internal/employers/{ref}/offboarding": "needs Kota; the attempt is tested below",
    "DELETE /internal/employees/{ref}/offboarding": "needs Kota; the attempt is tested below",
    "POST /internal/employees/{ref}/offboarding/preview": "changes nothing",
    "POST /internal/employers/{ref}/offboarding/preview": "changes nothing",
    "POST /internal/contribution-reports/{report_id}/finalize": "needs Kota; tested with the reports",
    "POST /internal/sessions": "session_grants is its trail: who, for whom, until when",
}


@pytest.mark.threat(16)
def test_every_mutating_route_is_in_this_test() -> None:
    mutating = {f"{door.method} {door.path}" for door in doors_of(ROUTERS) if door.scope and door.method != "GET"}
    assert mutating == set(CALLS) | set(ELSEWHERE)


@pytest.mark.threat(16)
@pytest.mark.parametrize("call", CALLS)
async def test_change_is_on_the_trail(app: RunningApp, host: Host, call: str) -> None:
    body = app.app.state.services.keyring.encrypt(b"{}")
    await store(
        app,
        employer_row(),
        employer_row("fresh", kota_id=None),
        employee_row("fresh", kota_id=None),
        employee_row("gone", kota_status="inactive", desired_digest=b"x"),
        KotaEvent(id="evt_1", type="x", version="v2", body=body, state=EventState.DEAD),
        OutboxMessage(object="notification/1", type="x", content={}, state=OutboxState.DEAD),
    )
    path, content, action, subject = CALLS[call]
    headers = host.service | {"X-Request-ID": "change-1"}
    answer = await app.http.request(call.split(maxsplit=1)[0], path, json=content, headers=headers)

    assert answer.is_success, answer.text
    trail = (await app.http.get("/internal/audit", headers=host.service)).json()["items"]
    assert [(item["actor"], item["action"], item["subject"], item["request_id"]) for item in trail] == [
        ("tests", action, subject, "change-1")
    ]


@pytest.mark.parametrize("kind", ["employers", "employees"])
async def test_record_that_is_sent_again_unchanged_is_no_change(app: RunningApp, host: Host, kind: str) -> None:
    await store(app, employer_row())
    record = employer_record() if kind == "employers" else employee_record("acme")
    for _ in range(3):
        assert (await app.http.put(f"/internal/{kind}/new", json=record, headers=host.service)).is_success
    assert len((await app.http.get("/internal/audit", headers=host.service)).json()["items"]) == 1


@pytest.mark.threat(16)
async def test_refused_change_leaves_no_row(app: RunningApp, host: Host) -> None:
    await store(app, employer_row())
    for answer in (
        await app.http.put("/internal/employees/a", json=employee_record("nobody"), headers=host.service),
        await app.http.delete("/internal/employers/acme", headers=host.service),
        await app.http.delete("/internal/employers/nobody", headers=host.service),
        await app.http.post("/internal/events/evt_9/replay", headers=host.service),
    ):
        assert answer.is_client_error
    assert (await app.http.get("/internal/audit", headers=host.service)).json()["items"] == []


@pytest.mark.threat(16)
async def test_batch_is_on_the_trail(app: RunningApp, host: Host) -> None:
    headers = host.service | {"Content-Type": "application/x-ndjson"}
    line = json.dumps({"kind": "employer", "ref": "new", "record": employer_record()})
    answer = await app.http.post("/internal/batches", content=line.encode(), headers=headers)
    assert answer.status_code == 202, answer.text
    (entry,) = (await app.http.get("/internal/audit", headers=host.service)).json()["items"]
    assert (entry["action"], entry["subject"]) == ("batch.create", f"batch:{answer.json()['id']}")


@pytest.mark.threat(16)
async def test_batch_that_ends_early_is_on_the_trail(
    app: RunningApp, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sync.batches.MAX_LINES", 1)
    headers = host.service | {"Content-Type": "application/x-ndjson"}
    lines = [json.dumps({"kind": "employer", "ref": ref, "record": employer_record()}) for ref in ("a", "b")]
    answer = await app.http.post("/internal/batches", content="\n".join(lines).encode(), headers=headers)
    assert answer.status_code == 413
    (entry,) = (await app.http.get("/internal/audit", headers=host.service)).json()["items"]
    assert entry["action"] == "batch.create"


@pytest.mark.threat(16)
@pytest.mark.parametrize(
    ("method", "path", "action", "subject"),
    [
        ("POST", "/internal/employees/a/offboarding", "employee.offboard", "employee:a"),
        ("POST", "/internal/employers/a/offboarding", "employer.offboard", "employer:a"),
        ("DELETE", "/internal/employees/a/offboarding", "employee.cancel_offboarding", "employee:a"),
    ],
)
async def test_attempt_to_offboard_is_on_the_trail_whatever_becomes_of_it(
    app: RunningApp, host: Host, *, method: str, path: str, action: str, subject: str
) -> None:
    body = {"confirmation_token": "x", "offboard_on": "2030-01-01", "offboard_reason": "other"}
    content = {"confirmation_token": "x", "confirm_legal_name": "x"} if "employers" in path else body
    answer = await app.http.request(method, path, json=content if method == "POST" else None, headers=host.service)
    assert answer.is_client_error, answer.text
    (entry,) = (await app.http.get("/internal/audit", headers=host.service)).json()["items"]
    assert (entry["action"], entry["subject"]) == (action, subject)
