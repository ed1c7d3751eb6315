"""Tokens of one kind where another is asked for, and credentials in places where none is read."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt
import pytest

from app.auth.doors import doors_of
from app.db.encryption import lookup_digest
from app.main import ROUTERS
from app.sync.offboarding.tokens import AUDIENCE, LIFE, ConfirmationInvalid, Shown, check, issue
from tests.support.app import Host, RunningApp

pytestmark = pytest.mark.threat(1)

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
KEY = b"a made-up key of some length here"
DAY = date(2026, 4, 1)
SHOWN = Shown("employee", "mary", "ee_mary", DAY, "digest")
OF_PEOPLE = [door for door in doors_of(ROUTERS) if door.principal == "frontend token"]


@pytest.mark.parametrize("door", OF_PEOPLE, ids=lambda door: f"{door.method} {door.path}")
async def test_token_counts_in_its_header_alone(shared_app: RunningApp, host: Host, door: Any) -> None:
    path, token = door.path.replace("{notification_id}", "a1"), host.token()
    for query, headers in (
        ({"access_token": token, "token": token, "jwt": token}, {}),
        ({}, {"Cookie": f"access_token={token}; Authorization=Bearer {token}"}),
        ({}, {"X-Authorization": f"Bearer {token}", "Proxy-Authorization": f"Bearer {token}", "X-Api-Key": token}),
        ({}, {"Authorization": f"Token {token}"}),
        ({}, {"Authorization": f"Basic {token}"}),
        ({}, {"Authorization": token}),
        ({}, {"Authorization": f"Bearer  {token}"}),
        ({}, {"Authorization": f"Bearer\t{token}"}),
        ({}, {"Authorization": f"Bearer {token} x"}),
        ({}, {"Authorization": f"Bearer {token},{token}"}),
        ({}, {"Authorization": f'Bearer "{token}"'}),
        ({}, {"Authorization": f"Bearer: {token}"}),
    ):
        answer = await shared_app.http.request(door.method, path, params=query, headers=headers)
        assert answer.status_code == 401, headers
    answer = await shared_app.http.request(
        door.method,
        path,
        content=f"access_token={token}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 401


async def test_every_token_that_does_not_hold_is_answered_alike(shared_app: RunningApp, host: Host) -> None:
    now = int(datetime.now(UTC).timestamp())
    tokens = [
        host.token(exp=now - 3600),
        host.token(nbf=now + 86_400),
        host.token(iss="https://evil.test"),
        host.token(aud="other"),
        host.token(kota_employer=["acme"]),
        Host().token(),
        host.token(kid="unknown")[:-4],
        "x.y.z",
    ]
    answers = [await shared_app.http.get("/me", headers={"Authorization": f"Bearer {token}"}) for token in tokens]
    bodies = [{name: value for name, value in answer.json().items() if name != "request_id"} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(body == bodies[0] for body in bodies)


def confirmation(**changes: Any) -> str:
    token, _ = issue(SHOWN, lookup_key=KEY, now=NOW)
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    return jwt.encode(claims, key_of(KEY), algorithm="HS256")


def key_of(lookup_key: bytes) -> bytes:
    return lookup_digest(lookup_key, "offboarding confirmation", b"")


def unsigned(token: str) -> str:
    return jwt.encode(jwt.decode(token, options={"verify_signature": False}), "", algorithm="none")


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned(confirmation()),
    "signed by a host": lambda: Host().token(aud=AUDIENCE, kind="employee", ref="mary"),
    "another key": lambda: issue(SHOWN, lookup_key=b"another " * 5, now=NOW)[0],
    "the lookup key itself": lambda: jwt.encode({"aud": AUDIENCE, "exp": 9e9}, KEY, algorithm="HS256"),
    "another algorithm": lambda: jwt.encode({"aud": AUDIENCE, "exp": 9e9}, key_of(KEY) * 2, algorithm="HS512"),
    "another employee": lambda: confirmation(ref="ann"),
    "an employer of that name": lambda: confirmation(kind="employer"),
    "another day": lambda: confirmation(offboard_on="2026-05-01"),
    "a day that is none": lambda: confirmation(offboard_on="2026-02-30"),
    "over": lambda: confirmation(exp=int(NOW.timestamp())),
    "never over": lambda: confirmation(exp=None),
    "over at infinity": lambda: confirmation(exp=1e400),
    "over beyond all years": lambda: confirmation(exp=10**15),
    "another audience": lambda: confirmation(aud="kota-bff"),
    "no digest": lambda: confirmation(digest=None).replace(".", "", 1),
    "cut": lambda: confirmation()[:-1],
    "padded": lambda: confirmation() + "==",
    "empty": lambda: "",
    "huge": lambda: "a" * 100_000,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_offboarding_is_confirmed_by_its_own_preview_alone(forge: Callable[[], str]) -> None:
    token, _ = issue(SHOWN, lookup_key=KEY, now=NOW)
    asked = {"kind": "employee", "ref": "mary", "offboard_on": DAY, "lookup_key": KEY}
    assert check(token, now=NOW + LIFE - timedelta(seconds=1), **asked)[0] == SHOWN  # type: ignore[arg-type]  # Mixed values.
    with pytest.raises(ConfirmationInvalid):
        check(forge(), now=NOW, **asked)  # type: ignore[arg-type]  # The same.


async def test_confirmation_of_an_offboarding_signs_nobody_in(shared_app: RunningApp) -> None:
    lookup_key = shared_app.app.state.services.lookup_key
    token, _ = issue(SHOWN, lookup_key=lookup_key, now=datetime.now(UTC))
    for path in ("/me", "/internal/audit", "/metrics"):
        answer = await shared_app.http.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
