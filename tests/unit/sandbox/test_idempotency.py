import asyncio

import pytest

from tests.kota_bodies import employer_body
from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient

KEY = {"idempotency-key": "3a6b2a52-0000-4000-8000-000000000001"}


async def test_the_same_request_with_the_same_key_is_answered_again_and_not_done_again(sandbox: SandboxClient) -> None:
    first = await sandbox.post("/employers", json=employer_body(), headers=KEY)
    second = await sandbox.post("/employers", json=employer_body(), headers=KEY)
    assert (second.status_code, second.content) == (200, first.content)
    assert (await sandbox.read("/employers"))["total_count"] == 1


async def test_another_request_with_the_same_key_is_a_conflict(sandbox: SandboxClient) -> None:
    await sandbox.post("/employers", json=employer_body(), headers=KEY)
    for path, content in (("/employers", b"{}"), ("/employees", b"{}"), ("/employers?page=1", b"{}")):
        answer = await sandbox.post(path, content=content, headers=KEY)
        assert answer.status_code == 409
        assert answer.json()["error_code"] == "idempotency_error"


async def test_a_key_is_forgotten_after_an_hour(sandbox: SandboxClient) -> None:
    await sandbox.post("/employers", json=employer_body(), headers=KEY)
    await sandbox.advance(3599)
    await sandbox.post("/employers", json=employer_body(), headers=KEY)
    assert (await sandbox.read("/employers"))["total_count"] == 1
    await sandbox.advance(2)
    await sandbox.post("/employers", json=employer_body(), headers=KEY)
    assert (await sandbox.read("/employers"))["total_count"] == 2


async def test_a_key_protects_under_one_api_key_only(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True, api_keys=["pk_test_sandbox", "pk_test_next"])
    await sandbox.post("/employers", json=employer_body(), headers=KEY)
    await sandbox.post("/employers", json=employer_body(), headers={**KEY, "authorization": "Bearer pk_test_next"})
    assert (await sandbox.read("/employers"))["total_count"] == 2


async def test_a_request_that_failed_may_be_corrected_under_the_same_key(sandbox: SandboxClient) -> None:
    assert (await sandbox.post("/employers", json={}, headers=KEY)).status_code == 400
    assert (await sandbox.post("/employers", json=employer_body(), headers=KEY)).status_code == 200


async def test_a_second_request_while_the_first_still_runs_is_a_conflict(open_sandbox: OpenSandbox) -> None:
    sandbox = open_sandbox(kind=True, latency_ms=50)
    answers = await asyncio.gather(
        *(sandbox.post("/employers", json=employer_body(), headers=KEY) for _ in range(3)),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert (await sandbox.post("/employers", json=employer_body(), headers=KEY)).status_code == 200
    assert (await sandbox.read("/employers"))["total_count"] == 1


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_key_of_a_wrong_length_is_refused(sandbox: SandboxClient, key: str) -> None:
    answer = await sandbox.post("/employers", json=employer_body(), headers={"idempotency-key": key})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["Idempotency-Key"]


async def test_put_and_get_ignore_the_key(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    path = f"/employers/{employer['id']}"
    for name in ("One", "Two"):
        answer = await sandbox.put(path, json={"legal_name": name}, headers=KEY)
        assert answer.json()["legal_name"] == name
    assert (await sandbox.get(path, headers=KEY)).status_code == 200
