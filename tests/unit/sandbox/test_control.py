import json
from hashlib import sha256

import httpx
import pytest

from app.sandbox.application import ConnectionDropped
from tests.kota_bodies import employer_body
from tests.unit.sandbox.conftest import SandboxClient


async def fault(sandbox: SandboxClient, **fault: object) -> None:
    assert (await sandbox.post("/_control/faults", json=fault)).status_code == 200


async def requests(sandbox: SandboxClient, **query: str) -> list[dict[str, object]]:
    answer = await sandbox.get("/_control/requests", params=query)
    result: list[dict[str, object]] = answer.json()
    return result


async def test_the_log_shows_requests_as_they_came_and_not_the_tests_own(sandbox: SandboxClient) -> None:
    body = json.dumps(employer_body())
    await sandbox.post("/employers", content=body, headers={"x-request-id": "r1"})
    await sandbox.get("/employers", params={"page": 2})
    await sandbox.get("/_control/state")
    created, listed = await requests(sandbox)
    assert (created["method"], created["path"], created["query"], created["status"]) == ("POST", "/employers", {}, 200)
    assert created["body"] == employer_body()
    assert created["body_sha256"] == sha256(body.encode()).hexdigest()
    assert dict(created["headers"])["x-request-id"] == "r1"  # type: ignore[call-overload] # JSON is untyped
    assert created["at"]
    assert (listed["query"], listed["body"]) == ({"page": "2"}, None)


async def test_the_log_can_be_narrowed(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    await sandbox.get(f"/employers/{employer['id']}")
    await sandbox.get("/employees")
    assert len(await requests(sandbox, method="get")) == 2
    assert len(await requests(sandbox, path="/employers")) == 1
    assert len(await requests(sandbox, path="/employers*")) == 2


async def test_a_status_fault_does_no_work_and_ends_after_its_times(sandbox: SandboxClient) -> None:
    await fault(sandbox, method="POST", path="/employers", kind="status", status=503, times=2)
    answers = [await sandbox.post("/employers", json=employer_body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["trace_id"]
    assert (await sandbox.read("/employers"))["total_count"] == 1


async def test_a_fault_can_say_when_to_come_back(sandbox: SandboxClient) -> None:
    await fault(sandbox, kind="status", status=429, retry_after=7)
    answer = await sandbox.get("/employers")
    assert (answer.headers["retry-after"], answer.json()["error_code"]) == ("7", "rate_limit_exceeded")


async def test_a_template_hits_single_resources_only(sandbox: SandboxClient) -> None:
    await fault(sandbox, path="/employers/{employer_id}", kind="status", status=500)
    employer = await sandbox.new_employer()
    assert (await sandbox.get("/employers")).status_code == 200
    assert (await sandbox.get(f"/employers/{employer['id']}")).status_code == 500


@pytest.mark.parametrize(("kind", "employers"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_dropped_request_is_done_or_not_as_asked(sandbox: SandboxClient, kind: str, employers: int) -> None:
    await fault(sandbox, method="POST", path="*", kind=kind, times=1)
    with pytest.raises(ConnectionDropped):
        await sandbox.post("/employers", json=employer_body())
    assert (await sandbox.read("/employers"))["total_count"] == employers
    assert (await requests(sandbox))[0]["status"] is None


async def test_garbage_is_no_json(sandbox: SandboxClient) -> None:
    await fault(sandbox, kind="garbage")
    answer = await sandbox.get("/employers")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


async def test_a_delay_joins_another_fault(sandbox: SandboxClient) -> None:
    await fault(sandbox, kind="delay", delay_ms=1)
    await fault(sandbox, kind="status", status=500)
    assert (await sandbox.get("/employers")).status_code == 500
    assert [found["hits"] for found in (await sandbox.get("/_control/faults")).json()] == [1, 1]


async def test_faults_can_be_improbable_and_are_removed_together(sandbox: SandboxClient) -> None:
    await fault(sandbox, kind="status", status=500, probability=0)
    await fault(sandbox, method="PUT", kind="status", status=500)
    assert (await sandbox.get("/employers")).status_code == 200
    assert (await sandbox.delete("/_control/faults")).json() == {"removed": 2}


async def test_a_wrong_fault_is_refused(sandbox: SandboxClient) -> None:
    answer = await sandbox.post("/_control/faults", json={"kind": "explode", "times": -1})
    assert set(answer.json()["errors"]) == {"$.kind", "$.times"}


async def test_reset_forgets_everything(sandbox: SandboxClient) -> None:
    await sandbox.post("/employers", json=employer_body(), headers={"idempotency-key": "k"})
    await fault(sandbox, kind="status", status=500)
    assert (await sandbox.post("/_control/reset")).status_code == 200
    assert await requests(sandbox) == []
    assert (await sandbox.read("/employers"))["total_count"] == 0
    again: httpx.Response = await sandbox.post("/employers", json={}, headers={"idempotency-key": "k"})
    assert again.status_code == 400


async def test_only_known_statuses_and_resources_can_be_set(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    assert (await sandbox.post("/_control/advance", json={"id": "er_none", "status": "active"})).status_code == 404
    assert (await sandbox.post("/_control/advance", json={"id": employer["id"], "status": "gone"})).status_code == 400
    answer = await sandbox.post("/_control/advance", json={"id": employer["id"], "status": "active"})
    assert answer.json()["resource"]["status"] == "active"


async def test_some_settings_can_change_and_come_back_with_a_reset(sandbox: SandboxClient) -> None:
    changed = await sandbox.created("/_control/settings", {"losses": 0.5, "webhook_versions": ["v1", "v2"]})
    assert (changed["losses"], changed["webhook_versions"]) == (0.5, ["v1", "v2"])
    for wrong in ('{"losses": 2}', '{"webhook_versions": ["v3"]}', '{"port": 1}', "[]"):
        answer = await sandbox.post("/_control/settings", content=wrong)
        assert answer.json()["error_code"] == "invalid_request"
    await sandbox.post("/_control/reset")
    assert (await sandbox.created("/_control/settings", {}))["losses"] == 0


async def test_reset_brings_the_clock_back(sandbox: SandboxClient) -> None:
    before = (await sandbox.created("/_control/advance", {}))["now"]
    await sandbox.advance(10_000)
    await sandbox.post("/_control/reset")
    assert (await sandbox.created("/_control/advance", {}))["now"] < before + 1_000
