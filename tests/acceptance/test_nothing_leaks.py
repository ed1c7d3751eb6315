"""Everything is done once, with people whose every value is known, at the level debug. Then it is looked for.

No log line, no metric, no problem body and no plain byte of the database may hold a person's data, a token or a key.
"""

import json
import re
import subprocess
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from app.dev.postgres import find_binaries
from app.kota import SIGNATURE_HEADER, sign
from tests.processes import wait_until
from tests.support.echoing_kota import EchoingKota
from tests.support.host_receiver import SECRET, HostReceiver
from tests.support.leaks import decoded_bytea, leaks
from tests.support.people import Known
from tests.support.stack import Process, Stack

pytestmark = [pytest.mark.acceptance, pytest.mark.threat(13)]

SETTINGS = {"SYNC_WAIT": "3", "SESSIONS_PER_MINUTE": "1000", "OUTBOX_RETRY_FIRST": "0.2"}
SANDBOX = {"SANDBOX_KIND": "true", "SANDBOX_WEBHOOK_VERSIONS": "v1,v2", "SANDBOX_ACTIVATION_DELAY": "0"}


class Day:
    """What people and programs do in a day; each problem that is answered is kept."""

    def __init__(self, stack: Stack, known: Known, http: httpx.Client) -> None:
        self.stack, self.known, self.http = stack, known, http
        self.problems: list[bytes] = []
        self.statuses: set[int] = set()
        self._event_ids = count()

    def call(self, method: str, path: str, *, token: str | None = None, **request: Any) -> httpx.Response:
        """As the host's backend, or as whoever holds `token`."""
        credential = {"Authorization": f"Bearer {token or self.stack.service_key}"}
        answer = self.http.request(method, path, headers=credential | request.pop("headers", {}), **request)
        self._keep(answer)
        return answer

    def deliver(self, content: bytes, *, secret: str | None = None) -> httpx.Response:
        """As Kota, or as somebody with another secret."""
        signature = sign(content, secret=(secret or self.stack.webhook_secret).encode(), at=datetime.now(UTC))
        answer = self.http.post("/webhooks/kota", content=content, headers={SIGNATURE_HEADER: signature})
        self._keep(answer)
        return answer

    def _keep(self, answer: httpx.Response) -> None:
        self.statuses.add(answer.status_code)
        if answer.is_error:
            self.problems.append(answer.content)

    def kota_id(self, path: str) -> str:
        """As soon as Kota has it."""
        wait_until(lambda: bool(self.call("GET", path).json()["kota_id"]))
        return str(self.call("GET", path).json()["kota_id"])


def test_no_persons_data_and_no_secret_is_where_it_does_not_belong(tmp_path: Path) -> None:
    known = Known()
    with HostReceiver() as host, EchoingKota() as kota:
        own = {"KOTA_API_URL": kota.url, "HOST_WEBHOOK_URL": host.url, "HOST_WEBHOOK_SECRET": SECRET}
        with Stack(tmp_path / "stack", settings=SETTINGS | own, sandbox=SANDBOX) as stack:
            kota.upstream = stack.sandbox_url
            with httpx.Client(base_url=stack.api_urls[0], timeout=60) as http:
                day = Day(stack, known, http)
                _records(day, kota)
                _sessions(day)
                _deliveries(day)
                _notifications_and_reports(day)
                _batches_and_imports(day, tmp_path)
                _nonsense(day)
                _faults_of_kota(day)
                _leaving(day)
                _database_gone(day)
                metrics = day.call("GET", "/metrics").content + _metrics_of(stack.workers[0], day)
            dump = _dump(stack)
            opened = stack.secrets()
        places = {
            **stack.logs(),
            "metrics": metrics,
            "problems": b"\n".join(day.problems),
            "database": dump,
            "database's bytes": decoded_bytea(dump),
        }

    assert {200, 201, 202, 204, 400, 401, 403, 409, 413, 415, 422, 503} <= day.statuses
    assert len(dump) > 10_000
    assert len(known.values) > 60
    assert kota.refusals
    assert leaks(places, known.values | opened) == []


def _records(day: Day, kota: EchoingKota) -> None:
    assert day.call("PUT", "/internal/employers/acme", json=day.known.employer("Acme")).status_code in {200, 201}
    for ref in ("mary", "moira"):
        day.call("PUT", f"/internal/employees/{ref}", json=day.known.employee("acme", f"{ref.title()}1"))
    day.call("PUT", "/internal/employees/mary", json=day.known.employee("acme", "Mary1", email="changed@mary.example"))
    kota.refused.add("O'Ångström-Echo1")
    refused = day.call("PUT", "/internal/employees/echo", json=day.known.employee("acme", "Echo1"))
    assert (refused.status_code, refused.json()["code"]) == (422, "rejected_by_kota")
    shown = day.call("GET", "/internal/employees/echo")
    assert shown.json()["sync"]["last_error"]["errors"]
    # What is shown of a record is no problem body, and has to keep quiet all the same.
    day.problems.append(shown.content)


def _sessions(day: Day) -> None:
    day.kota_id("/internal/employees/mary")
    subject = day.known.text("zebulina.signs.in@idp.example")
    person = day.stack.frontend_token("acme", "mary", sub=subject)
    for audience in ("employer", "employee"):
        opened = day.call("POST", "/sessions", token=person, json={"audience": audience})
        day.known.text(opened.json()["token"])
    linked = day.call("POST", "/sessions/hosted", token=person)
    day.known.text(linked.json()["link"])
    vouched = {"audience": "employee", "employer_ref": "acme", "employee_ref": "mary"}
    day.known.text(day.call("POST", "/internal/sessions", json=vouched).json()["token"])
    day.call("GET", "/me", token=person)
    stranger = day.stack.frontend_token("acme", "mary", kota_audiences=["employer"])
    assert day.call("POST", "/sessions", token=stranger, json={"audience": "employee"}).status_code == 403
    assert day.call("GET", "/me", token=f"{person}x").status_code == 401


def _deliveries(day: Day) -> None:
    person = day.known.employee("acme", "Delivered1")
    event = {"id": "evt_fat", "type": "employee.updated", "api_version": "1.0", "data": {"id": "ee_x", **person}}
    assert day.deliver(json.dumps(event).encode()).status_code == 200
    assert day.deliver(json.dumps(event).encode(), secret=day.known.text("a stranger's secret")).status_code == 401
    # Signed, and no event: kept as a dead letter.
    assert day.deliver(json.dumps({"no": "id", "data": person}).encode()).status_code == 400
    assert day.deliver(json.dumps(person).encode()[:-5]).status_code == 400
    strange = {"id": "evt_strange", "type": "no.such.type", "data": person}
    assert day.deliver(json.dumps(strange, ensure_ascii=False).encode()).status_code == 200
    mary = day.kota_id("/internal/employees/mary")
    day.stack.control("POST", "emit", {"type": "employee.updated", "version": "v1", "data": {"id": mary}})


def _notifications_and_reports(day: Day) -> None:
    ids = {
        "employee_id": day.kota_id("/internal/employees/mary"),
        "employer_id": day.kota_id("/internal/employers/acme"),
    }
    told = {
        "reason": day.known.text("Zebulina must choose her Wunderplan"),
        "reason_description": day.known.text("Pick a plan for Zebulina and her twins."),
    }
    data = {**ids, "required_action": told, "action_required": told}
    day.stack.control("POST", "emit", {"type": "enrolment_intent.action_required", "version": "v2", "data": data})
    person = day.stack.frontend_token("acme", "mary")
    wait_until(lambda: bool(day.call("GET", "/notifications", token=person).json()["items"]))
    [shown] = day.call("GET", "/notifications", token=person).json()["items"]
    day.known.values |= {shown["title"], shown["body"]}
    assert day.call("POST", f"/notifications/{shown['id']}/dismiss", token=person).status_code == 204
    day.stack.control("POST", "seed", {"kind": "contribution_report", "object": {"employer_id": ids["employer_id"]}})
    reports = day.call("GET", "/internal/contribution-reports?employer_ref=acme").json()["items"]
    lines = day.call("GET", f"/internal/contribution-reports/{reports[0]['id']}/breakdowns").json()["items"]
    notes = {line["note"] for line in lines if line["note"]}
    assert notes
    day.known.values |= notes


def _batches_and_imports(day: Day, folder: Path) -> None:
    good = {"kind": "employee", "ref": "batched", "record": day.known.employee("acme", "Batched1")}
    nowhere = {"kind": "employee", "ref": "lost", "record": day.known.employee("no-such-employer", "Lost1")}
    wrong = {
        "kind": "employee",
        "ref": "wrong",
        "record": day.known.employee("acme", "Wrong1", date_of_birth="31.12.87"),
    }
    lines = [json.dumps(line, ensure_ascii=False) for line in (good, nowhere, wrong)] + ["{" + json.dumps(good)]
    sent = day.call(
        "POST",
        "/internal/batches",
        content="\n".join(lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    batch = sent.json()["id"]
    wait_until(lambda: day.call("GET", f"/internal/batches/{batch}").json()["state"] != "processing")
    day.problems.append(day.call("GET", f"/internal/batches/{batch}/errors").content)
    file = folder / "people.ndjson"
    imported = [
        {"ref": "imported", **day.known.employee("acme", "Imported1")},
        {"ref": "bad", "first_name": "Zebulina Bad"},
    ]
    file.write_text("".join(json.dumps(record) + "\n" for record in imported))
    env = {"KOTA_BFF_URL": day.stack.api_urls[0], "SERVICE_KEY": day.stack.service_key}
    command = Process(
        "import", ["import", "employees", str(file)], env={**day.stack.workers[0].env, **env}, folder=day.stack.folder
    )
    command.start()
    wait_until(lambda: command.poll() is not None, seconds=60)
    assert "1 synced" in command.logs()


def _nonsense(day: Day) -> None:
    record = day.known.employee("acme", "Nonsense1")
    text = json.dumps(record)
    json_type = {"Content-Type": "application/json"}
    put = "/internal/employees/nonsense"
    assert day.call("PUT", put, content=text[:-2].encode(), headers=json_type).status_code == 400
    assert day.call("PUT", put, content=text.encode()).status_code == 415
    assert day.call("PUT", put, json=record | {"home_address": record["email"]}).status_code == 422
    assert day.call("PUT", put, json=record | {"sex_at_birth": record["last_name"]}).status_code == 422
    assert day.call("PUT", put, json=record | {"start_on": record["email"]}).status_code == 422
    assert day.call("PUT", put, json=record | {"employer_ref": record["email"]}).status_code == 422
    assert day.call("PUT", put, json=record | {"metadata": {"id": record["email"]}}).status_code == 422
    assert day.call("PUT", put, json={**record, "email": record["email"] * 20_000}).status_code == 413
    assert day.call("GET", f"/internal/employees/{record['email']}").status_code == 422
    assert day.call("GET", "/internal/employees", params={"employer_ref": record["email"]}).status_code == 422
    assert day.call("GET", "/internal/employees", params={"cursor": record["email"]}).status_code == 422
    assert day.call("GET", f"/nowhere/{record['email']}").status_code == 404
    assert day.call("GET", "/internal/employees/mary", token=record["national_tax_id"]).status_code == 401
    assert day.call("POST", "/sessions", token="of a kind", json={"audience": "employee"}).status_code == 401


def _faults_of_kota(day: Day) -> None:
    person = day.stack.frontend_token("acme", "mary")
    faults: tuple[dict[str, Any], ...] = (
        {"kind": "status", "status": 500},
        {"kind": "garbage"},
        {"kind": "drop_after"},
        {"kind": "drop_before"},
    )
    for number, fault in enumerate(faults):
        day.stack.control("POST", "faults", fault | {"method": "POST", "path": "*", "times": 2})
        day.call("POST", "/sessions", token=person, json={"audience": "employee"})
        path = f"/internal/employees/faulty{number}"
        day.call("PUT", path, json=day.known.employee("acme", f"Faulty{number}"))
        day.stack.control("DELETE", "faults")
        day.kota_id(path)
    day.stack.control("POST", "faults", {"kind": "status", "status": 500, "method": "POST", "path": "*"})
    assert day.call("POST", "/sessions", token=person, json={"audience": "employee"}).status_code == 503
    day.stack.control("DELETE", "faults")


def _leaving(day: Day) -> None:
    name = day.known.text("Wundertüte Misspelt Holdings")
    wrong = {"confirmation_token": "not a token", "confirm_legal_name": name}
    assert day.call("POST", "/internal/employers/acme/offboarding", json=wrong).status_code == 422
    day.kota_id("/internal/employees/moira")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    previewed = day.call("POST", "/internal/employees/moira/offboarding/preview", json={"offboard_on": today})
    confirmed = {
        "confirmation_token": day.known.text(previewed.json()["confirmation_token"]),
        "offboard_on": today,
        "offboard_reason": day.known.text("Zebulina ran off with the Flibbertigibbets"),
        "accept_irreversible": True,
    }
    assert day.call("POST", "/internal/employees/moira/offboarding", json=confirmed).status_code == 200
    assert day.call("DELETE", "/internal/employees/mary/personal-data").status_code == 409
    day.stack.control("POST", "advance", {"clock_seconds": 2 * 86400})
    wait_until(lambda: day.call("GET", "/internal/employees/moira").json()["kota_status"] == "inactive")
    assert "O'Ångström-Moira1" in day.call("GET", "/internal/employees/moira/personal-data").text
    assert day.call("DELETE", "/internal/employees/moira/personal-data").status_code == 204


def _database_gone(day: Day) -> None:
    person = day.known.employee("acme", "Gone1")
    day.stack.postgres.stop()
    assert day.call("PUT", "/internal/employees/gone", json=person).status_code == 503
    event = {"id": "evt_gone", "type": "employee.updated", "data": person}
    assert day.deliver(json.dumps(event).encode()).status_code == 503
    token = day.stack.frontend_token("acme", "mary")
    assert day.call("POST", "/sessions", token=token, json={"audience": "employee"}).status_code == 503
    day.stack.postgres.start()
    day.stack.wait_ready()
    day.call("PUT", "/internal/employees/gone", json=person)
    day.kota_id("/internal/employees/gone")


def _metrics_of(worker: Process, day: Day) -> bytes:
    found = re.search(r'"ops_port": (\d+)', worker.logs())
    assert found is not None
    answer = httpx.get(f"http://127.0.0.1:{found[1]}/metrics", headers=day.stack.service_headers)
    assert answer.status_code == 200
    return answer.content


def _dump(stack: Stack) -> bytes:
    """All that somebody who steals the database has."""
    url = make_url(stack.postgres.url).set(drivername="postgresql")
    dsn = url.render_as_string(hide_password=False)
    program = find_binaries() / "pg_dump"
    return subprocess.run([program, "--dbname", dsn], check=True, capture_output=True, timeout=60).stdout
