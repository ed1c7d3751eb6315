import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from app.kota import SIGNATURE_HEADER, sign
from app.models import DeadLetter, KotaEvent
from app.ops.metrics import WEBHOOK_REFUSALS
from tests.databases import NewDatabase
from tests.integration.application import WEBHOOK_SECRETS, Application, open_application

SECRET = WEBHOOK_SECRETS[0].encode()
EVENT = {"id": "evt_1", "type": "employee.updated", "data": {"id": "ee_1"}, "created_at": "2026-03-02T09:15:00Z"}


def signed(body: bytes, *, secret: bytes = SECRET, age: timedelta = timedelta(0)) -> dict[str, str]:
    return {SIGNATURE_HEADER: sign(body, secret=secret, at=datetime.now(UTC) - age)}


async def deliver(application: Application, content: Any = EVENT, **headers: str) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await application.http.post("/webhooks/kota", content=body, headers=headers or signed(body))


async def count(application: Application, model: type[KotaEvent] | type[DeadLetter]) -> int:
    async with application.app.state.services.sessions() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.threat(10)
async def test_first_delivery_is_accepted_and_the_second_is_a_duplicate(application: Application) -> None:
    first, second = await deliver(application), await deliver(application)
    assert (first.status_code, first.json()) == (200, {"status": "accepted"})
    assert (second.status_code, second.json()) == (200, {"status": "duplicate"})
    assert await count(application, KotaEvent) == 1


@pytest.mark.threat(10)
async def test_twenty_deliveries_at_once_are_one_row_and_one_acceptance(application: Application) -> None:
    answers = await asyncio.gather(*(deliver(application) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["status"] for answer in answers) == ["accepted", *["duplicate"] * 19]
    async with application.app.state.services.sessions() as session:
        assert (await session.scalars(select(KotaEvent.deliveries))).all() == [20]


@pytest.mark.threat(11)
async def test_fault_of_ours_is_a_problem_and_counted(application: Application) -> None:
    before = REGISTRY.get_sample_value("kota_bff_unexpected_errors_total", {"where": "http"}) or 0.0
    application.app.state.intake = None
    answer = await deliver(application)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert REGISTRY.get_sample_value("kota_bff_unexpected_errors_total", {"where": "http"}) == before + 1


async def test_what_cannot_be_buried_without_a_database_is_asked_for_again() -> None:
    async with open_application("postgresql://postgres:made-up@127.0.0.1:1/x") as application:
        answer = await deliver(application, b"no event")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.threat(13)
async def test_body_is_stored_encrypted(application: Application) -> None:
    await deliver(application)
    async with application.app.state.services.sessions() as session:
        [body] = await session.scalars(select(KotaEvent.body))
    assert b"employee.updated" not in body
    assert json.loads(application.app.state.services.keyring.decrypt(body)) == EVENT


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (EVENT, "v2"),
        ({**EVENT, "api_version": "1.0"}, "v1"),
        ({**EVENT, "version": "V2"}, "v2"),
        ({"id": "evt_1", "type": "t", "created": "2026-03-02"}, "v2"),
        ({"id": "evt_1", "type": "t"}, "v2"),
        ({**EVENT, "data": "\x00"}, "v2"),
    ],
)
async def test_envelopes_of_both_versions_are_taken(application: Application, content: Any, version: str) -> None:
    assert (await deliver(application, content)).status_code == 200
    async with application.app.state.services.sessions() as session:
        assert (await session.scalars(select(KotaEvent.version))).all() == [version]


async def test_every_configured_secret_is_good_in_hex_and_base64_seconds_and_milliseconds(
    application: Application,
) -> None:
    body = json.dumps(EVENT).encode()
    now = datetime.now(UTC).timestamp()
    for secret in WEBHOOK_SECRETS:
        for time in (str(int(now)), str(int(now * 1000))):
            digest = hmac.digest(secret.encode(), time.encode() + b"." + body, hashlib.sha256)
            for written in (digest.hex(), base64.b64encode(digest).decode()):
                answer = await deliver(application, body, **{SIGNATURE_HEADER: f"t={time},v1={written}"})
                assert answer.status_code == 200


def _headers(value: str) -> dict[str, str]:
    return {SIGNATURE_HEADER: value}


BODY = json.dumps(EVENT).encode()


@pytest.mark.threat(10)
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"content-type": "application/json"}, "missing"),
        (_headers("sha256=" + "a" * 64), "malformed"),
        (_headers("t=1,v1="), "malformed"),
        (_headers("t=1,t=2,v1=" + "a" * 64), "duplicate"),
        (_headers(f"t={int(datetime.now(UTC).timestamp())},v1=" + "a" * 64), "mismatch"),
        (signed(BODY, secret=b"somebody else's"), "mismatch"),
        (signed(BODY, age=timedelta(days=1)), "stale"),
        (signed(BODY, age=timedelta(days=-1)), "future"),
    ],
)
async def test_unproven_delivery_is_401_and_leaves_nothing(
    application: Application, headers: dict[str, str], reason: str
) -> None:
    before = WEBHOOK_REFUSALS.labels(reason)._value.get()
    answer = await deliver(application, BODY, **headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_signature"
    assert WEBHOOK_REFUSALS.labels(reason)._value.get() == before + 1
    assert await count(application, KotaEvent) == await count(application, DeadLetter) == 0


@pytest.mark.threat(10)
@pytest.mark.threat(24)
async def test_two_signature_headers_are_refused(application: Application) -> None:
    [(name, value)] = signed(BODY).items()
    answer = await application.http.post("/webhooks/kota", content=BODY, headers=[(name, value), (name, value)])
    assert answer.status_code == 401


@pytest.mark.threat(10)
async def test_without_secrets_every_delivery_is_refused(new_database: NewDatabase) -> None:
    async with open_application(new_database(), kota_webhook_secrets="") as application:
        assert (await deliver(application, BODY, **signed(BODY, secret=b"x"))).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"1",
        b"{}",
        b'{"id": "", "type": "t"}',
        b'{"id": 1, "type": "t"}',
        b'{"id": "e"}',
        b'{"id": "\\u0000", "type": "t"}',
        b'{"id": "\\ud800", "type": "t"}',
        json.dumps({"id": "e" * 256, "type": "t"}).encode(),
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_signed_delivery_that_is_no_event_is_400_and_kept_once_as_a_dead_letter(
    application: Application, body: bytes
) -> None:
    for _ in range(2):
        answer = await deliver(application, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "not_an_event")
    async with application.app.state.services.sessions() as session:
        [letter] = await session.scalars(select(DeadLetter))
    assert letter.deliveries == 2
    assert application.app.state.services.keyring.decrypt(letter.body) == body
    assert await count(application, KotaEvent) == 0


@pytest.mark.threat(7)
@pytest.mark.parametrize("declared", [True, False])
async def test_body_over_a_mebibyte_is_413(application: Application, declared: bool) -> None:
    body = b"x" * (1024 * 1024 + 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    answer = await application.http.post("/webhooks/kota", content=body if declared else chunks(), headers=signed(body))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_body_of_exactly_a_mebibyte_is_taken(application: Application) -> None:
    start = b'{"id": "evt_1", "type": "t", "data": "'
    body = start + b"x" * (1024 * 1024 - len(start) - 2) + b'"}'
    assert (await deliver(application, body)).status_code == 200
