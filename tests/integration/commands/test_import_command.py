"""`kota-bff import` and `kota-bff sync audit`, as a person runs them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kota_bodies import employer_body
from tests.support.records import employee_record, employer_record
from tests.support.stack import API_KEY, COMMAND, Stack

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("import")
    with Stack(folder, sandbox={"SANDBOX_KIND": "true"}) as made:
        yield made


def _run(stack: Stack, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    environment = {**stack.workers[0].env, "KOTA_BFF_URL": stack.api_urls[0], "SERVICE_KEY": stack.service_key, **env}
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_import_counts_refuses_and_is_resumed_by_running_it_again(stack: Stack, tmp_path: Path) -> None:
    employers = tmp_path / "employers.csv"
    record = employer_record()
    address = record["legal_address"]
    employers.write_text(
        "ref,legal_name,legal_address.line1,legal_address.city,legal_address.postal_code,legal_address.country_code,"
        "contact.name,contact.email\n"
        f"acme,Acme,{address['line1']},{address['city']},{address['postal_code']},IE,Pat,pat@example.com\n"
    )
    done = _run(stack, "import", "employers", str(employers))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 total, 1 synced" in done.stdout
    people = tmp_path / "people.ndjson"
    good = {"ref": "e1", **employee_record("acme")}
    rejected = {"ref": "e2", **employee_record("acme", external_customer_id="customer-1")}
    people.write_text("\n".join([json.dumps(good), "broken", json.dumps(rejected)]))
    done = _run(stack, "import", "employees", str(people))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 total, 1 synced, 0 unchanged, 0 skipped, 2 rejected, 0 pending" in done.stdout
    refused = [json.loads(line) for line in (tmp_path / "people.ndjson.refused.ndjson").read_text().splitlines()]
    assert [item["line"] for item in refused] == [2, 3]
    assert refused[1]["errors"][0]["pointer"] == "/external_customer_id"
    people.write_text(json.dumps(good))
    done = _run(stack, "import", "employees", str(people), "--refused", str(tmp_path / "none"))
    assert (done.returncode, "1 unchanged" in done.stdout) == (0, True)
    assert not (tmp_path / "none").exists()


def test_lines_that_cannot_be_read_are_refused_and_the_others_imported(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "odd.ndjson"
    good = {"legal_name": "Odd", **employer_record()}
    deep = "[" * 100_000
    lone = json.dumps({"ref": "lone", **good, "surprise": "\ud800"})
    path.write_text("\n".join([lone, f'{{"ref": "deep", "x": {deep}', json.dumps({"ref": "odd", **good})]))
    done = _run(stack, "import", "employers", str(path))
    assert "3 total, 1 synced, 0 unchanged, 0 skipped, 2 rejected, 0 pending" in done.stdout, done.stdout + done.stderr
    refused = [json.loads(line) for line in (tmp_path / "odd.ndjson.refused.ndjson").read_text().splitlines()]
    assert [item["line"] for item in refused] == [1, 2]


def test_rows_that_do_not_fit_are_refused_and_the_others_imported(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    names = "ref,legal_name,legal_address.line1,legal_address.city,legal_address.postal_code,legal_address.country_code"
    row = "Odd,1 Main Street,Dublin,D02 X285,IE,Pat,pat@example.com"
    path.write_text(
        f"{names},contact.name,contact.email\n"
        f"shifted,{row},surplus\n"
        f"large,{'x' * 300_000},{row.partition(',')[2]}\n"
        f"fitting,{row}\n"
    )
    done = _run(stack, "import", "employers", str(path))
    assert "3 total, 1 synced, 0 unchanged, 0 skipped, 2 rejected, 0 pending" in done.stdout, done.stdout + done.stderr
    refused = [json.loads(line) for line in (tmp_path / "odd.csv.refused.ndjson").read_text().splitlines()]
    assert [item["line"] for item in refused] == [2, 3]
    assert refused[0]["errors"][0]["pointer"] == "/surplus_cells"
    path.write_text(f'{names}\nopen,"{"x" * 1_100_000}\n')
    done = _run(stack, "import", "employers", str(path))
    assert (done.returncode, "line 2" in done.stderr) == (1, True), done.stderr


def test_import_says_why_it_failed(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("name\nAda\n")
    assert "no column ref" in _run(stack, "import", "employees", str(path)).stderr
    path.write_text("ref\ne1\n")
    assert "401" in _run(stack, "import", "employees", str(path), SERVICE_KEY="wrong").stderr
    nowhere = _run(stack, "import", "employees", str(path), KOTA_BFF_URL="http://127.0.0.1:1")
    assert (nowhere.returncode, "does not answer" in nowhere.stderr) == (1, True)


def test_audit_reports_and_exits_by_what_it_found(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    stranger = httpx.post(f"{stack.sandbox_url}/employers", json=employer_body(metadata={}), headers=headers).json()
    found = _run(stack, "sync", "audit")
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"unknown_here employer - {stranger['id']}" in found.stdout
    stack.control("POST", "faults", {"method": "GET", "path": "/employers", "kind": "status", "status": 500})
    unread = _run(stack, "sync", "audit", "--repair")
    stack.control("DELETE", "faults")
    assert (unread.returncode, "could not be read" in unread.stderr) == (1, True)
    asked = {"Authorization": f"Bearer {stack.service_key}"}
    trail = httpx.get(f"{stack.api_urls[0]}/internal/audit?actor=cli", headers=asked).json()["items"]
    assert [(entry["action"], entry["subject"]) for entry in trail] == [("sync.repair", "records")]
