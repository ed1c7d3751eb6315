"""Deliveries that Kota did not make, or made before."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import func, select

from app.kota import SIGNATURE_HEADER, sign
from app.models import DeadLetter, KotaEvent
from tests.support.app import API_KEY, Host, RunningApp

pytestmark = pytest.mark.threat(10)

SECRET = b"made-up-webhook-secret"
BODY = json.dumps({"id": "evt_1", "type": "employee.updated", "data": {"id": "ee_1"}}).encode()


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def mac(body: bytes = BODY, *, at: int | None = None, secret: bytes = SECRET) -> bytes:
    return hmac.digest(secret, b"%d." % (at or now()) + body, hashlib.sha256)


def header(signature: str) -> str:
    return f"t={now()},v1={signature}"


FORGERIES: dict[str, Callable[[], str]] = {
    "hex cut by one digit": lambda: header(mac().hex()[:-1]),
    "hex cut by one byte": lambda: header(mac().hex()[:-2]),
    "hex cut to half": lambda: header(mac().hex()[:32]),
    "hex and a byte more": lambda: header(mac().hex() + "00"),
    "hex and a space": lambda: header(mac().hex() + " 0"),
    "hex with 0x": lambda: header("0x" + mac().hex()),
    "base64 without padding": lambda: header(base64.b64encode(mac()).decode().rstrip("=")),
    "base64 with more padding": lambda: header(base64.b64encode(mac()).decode() + "="),
    "base64 of a longer one": lambda: header(base64.b64encode(mac() + b"\x00").decode()),
    "base64 of a shorter one": lambda: header(base64.b64encode(mac()[:-1]).decode()),
    "base64 of the hex": lambda: header(base64.b64encode(mac().hex().encode()).decode()),
    "another algorithm": lambda: header(hmac.digest(SECRET, b"%d." % now() + BODY, hashlib.sha512).hex()),
    "a weaker algorithm": lambda: header(hmac.digest(SECRET, b"%d." % now() + BODY, hashlib.sha1).hex()),
    "no key at all": lambda: header(hashlib.sha256(b"%d." % now() + BODY).hexdigest()),
    "empty secret": lambda: header(mac(secret=b"").hex()),
    "API key as the secret": lambda: header(mac(secret=API_KEY.encode()).hex()),
    "the body alone": lambda: header(hmac.digest(SECRET, BODY, hashlib.sha256).hex()),
    "the time alone": lambda: header(hmac.digest(SECRET, b"%d." % now(), hashlib.sha256).hex()),
    "another body": lambda: header(mac(b"{}").hex()),
    "a line break more": lambda: header(mac(BODY + b"\n").hex()),
    "the same JSON, spaced": lambda: header(mac(json.dumps(json.loads(BODY), indent=1).encode()).hex()),
    "another time": lambda: f"t={now() + 1},v1={mac().hex()}",
    "time in another spelling": lambda: f"t=0{now()},v1={mac().hex()}",
    "time with a sign": lambda: f"t=+{now()},v1={mac().hex()}",
    "time with a fraction": lambda: f"t={now()}.0,v1={mac().hex()}",
    "two times": lambda: f"t={now()},t={now()},v1={mac().hex()}",
    "two times, one right": lambda: f"t=1,t={now()},v1={mac().hex()}",
    "no time": lambda: f"v1={mac().hex()}",
    "time called T": lambda: f"T={now()},v1={mac().hex()}",
    "no signature": lambda: f"t={now()}",
    "signature without a name": lambda: f"t={now()},{mac().hex()}",
    "empty signature": lambda: f"t={now()},v1=",
    "zeros": lambda: header("0" * 64),
    "nine candidates": lambda: f"t={now()}," + ",".join(["v1=" + "0" * 64] * 8) + f",v1={mac().hex()}",
    "semicolons": lambda: f"t={now()};v1={mac().hex()}",
    "quoted": lambda: f't="{now()}",v1="{mac().hex()}"',
    "percent-encoded": lambda: quote(header(mac().hex())),
    "scheme before it": lambda: f"HMAC-SHA256 {header(mac().hex())}",
    "huge": lambda: header(mac().hex()) + ",x=" + "0" * 5000,
    "a service key": lambda: "Bearer x",
}


async def deliver(app: RunningApp, value: str | None, *, body: bytes = BODY) -> httpx.Response:
    headers = {} if value is None else {SIGNATURE_HEADER: value}
    return await app.http.post("/webhooks/kota", content=body, headers=headers)


async def stored(app: RunningApp) -> tuple[int, int]:
    async with app.app.state.services.sessions() as session:
        events = await session.scalar(select(func.count()).select_from(KotaEvent))
        letters = await session.scalar(select(func.count()).select_from(DeadLetter))
    return events or 0, letters or 0


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_forgery_is_401_says_nothing_and_leaves_nothing(shared_app: RunningApp, forge: Callable[[], str]) -> None:
    answer = await deliver(shared_app, forge())
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature"), answer.text
    assert answer.json()["detail"] is None
    assert await stored(shared_app) == (0, 0)


async def test_what_was_signed_is_taken_so_the_forgeries_failed_for_what_they_are(app: RunningApp) -> None:
    for value in (header(mac().hex()), header(base64.b64encode(mac()).decode())):
        assert (await deliver(app, value)).status_code == 200


@pytest.mark.threat(24)
@pytest.mark.parametrize("order", ["right first", "wrong first", "twice the same", "split at the comma"])
async def test_two_signature_headers_are_none(shared_app: RunningApp, order: str) -> None:
    right, wrong = header(mac().hex()), header("0" * 64)
    values = {
        "right first": [right, wrong],
        "wrong first": [wrong, right],
        "twice the same": [right, right],
        "split at the comma": right.split(","),
    }[order]
    answer = await shared_app.http.post(
        "/webhooks/kota", content=BODY, headers=[(SIGNATURE_HEADER, value) for value in values]
    )
    assert answer.status_code == 401


async def test_replay_inside_the_tolerance_is_a_duplicate_and_outside_it_is_refused(app: RunningApp) -> None:
    value = sign(BODY, secret=SECRET, at=datetime.now(UTC) - timedelta(seconds=120))
    answers = [await deliver(app, value) for _ in range(3)]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate", "duplicate"]
    for age in (timedelta(seconds=400), timedelta(days=400), timedelta(seconds=-400)):
        old = sign(BODY, secret=SECRET, at=datetime.now(UTC) - age)
        assert (await deliver(app, old)).status_code == 401
    assert await stored(app) == (1, 0)


async def test_signature_counts_in_its_header_alone(shared_app: RunningApp, host: Host) -> None:
    value = header(mac().hex())
    for answer in (
        await shared_app.http.post(f"/webhooks/kota?{SIGNATURE_HEADER}={quote(value)}", content=BODY),
        await shared_app.http.post("/webhooks/kota", content=BODY, headers={"Cookie": f"{SIGNATURE_HEADER}={value}"}),
        await shared_app.http.post("/webhooks/kota", content=BODY, headers={"Signature": value}),
        await shared_app.http.post("/webhooks/kota", content=BODY, headers=host.service),
        await shared_app.http.post("/webhooks/kota", content=BODY, headers=host.bearer()),
    ):
        assert answer.status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_delivery_is_a_post(shared_app: RunningApp, method: str) -> None:
    headers = {SIGNATURE_HEADER: header(mac().hex())}
    answer = await shared_app.http.request(method, "/webhooks/kota", content=BODY, headers=headers)
    assert answer.status_code == 405
    assert await stored(shared_app) == (0, 0)


async def test_id_of_an_event_may_say_anything_and_do_nothing(app: RunningApp) -> None:
    hostile = ["'; DROP TABLE kota_events; --", "../../etc/passwd", "a\u202eb", "<script>", "%00", "{{7*7}}", "a" * 255]
    for name in hostile:
        body = json.dumps({"id": name, "type": "$(reboot)", "data": {"id": "../employers"}}).encode()
        assert (await deliver(app, header(mac(body).hex()), body=body)).status_code == 200
    assert await stored(app) == (len(hostile), 0)
