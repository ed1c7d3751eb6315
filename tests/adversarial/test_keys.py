"""Guessing a service key, and learning of one from how long a refusal takes."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.auth.key_store import create_key
from app.auth.rate_limit import RateLimit
from app.auth.scopes import Scope
from app.auth.service_keys import ServiceKeys, digest_of
from app.errors import Unauthenticated
from app.kota import SignatureRefused, verify
from tests.support.app import Host, RunningApp
from tests.support.statements import sent_values

AUDIT = "/internal/audit"
BODY = b'{"id": "evt_1", "type": "t"}'
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """What goes through the standard library's comparison in constant time, which is done all the same."""
    seen: list[tuple[bytes, bytes]] = []
    really = hmac.compare_digest

    def compare(left: Any, right: Any) -> bool:
        seen.append((left, right))
        return really(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return seen


def near(key: str) -> dict[str, str]:
    """What is nearly the key."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return {
        "its beginning": key[:-1],
        "one letter more": key + "x",
        "its end": key[1:],
        "last letter changed": key[:-1] + ("a" if key[-1] != "a" else "b"),
        "other case": key.swapcase(),
        "its digest": digest,
        "its digest in capitals": digest.upper(),
        "name and digest": f"tests:{digest}",
        "name and key": f"tests:{key}",
        "percent-encoded": "".join(f"%{ord(letter):02x}" for letter in key),
        "its name": "tests",
        "wildcard": "%",
        "quote": key + "'--",
        "twice": key * 2,
        "reversed": key[::-1],
    }


@pytest.mark.threat(5)
@pytest.mark.parametrize("what", near("x" * 43))
@pytest.mark.parametrize("kept", ["in the settings", "in the database"])
async def test_what_is_nearly_the_key_is_no_key(shared_app: RunningApp, host: Host, kept: str, what: str) -> None:
    key = host.service_key
    if kept == "in the database":
        async with shared_app.app.state.services.sessions.begin() as session:
            key = await create_key(session, f"near-{secrets.token_hex(8)}", scopes=[Scope.ADMIN])
    answer = await shared_app.http.get(AUDIT, headers={"Authorization": f"Bearer {near(key)[what]}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (await shared_app.http.get(AUDIT, headers={"Authorization": f"Bearer {key}"})).status_code == 200


@pytest.mark.threat(25)
@pytest.mark.parametrize("right", [0, 1, 2, None])
async def test_every_key_of_the_settings_is_compared_whichever_it_is(
    shared_app: RunningApp, compared: list[tuple[bytes, bytes]], right: int | None
) -> None:
    keys = ["first", "second", "third"]
    entries = [f"{key}:{digest_of(key).hex()}" for key in keys]
    service = ServiceKeys(entries, sessions=shared_app.app.state.services.sessions, limit=RateLimit(600))
    given = "none of them" if right is None else keys[right]
    if right is None:
        with pytest.raises(Unauthenticated):
            await service.verify(given)
    else:
        assert (await service.verify(given)).name == keys[right]
    # Digests, of which nobody can choose a part; all of them, in their order.
    assert compared == [(digest_of(key), digest_of(given)) for key in keys]


@pytest.mark.threat(25)
async def test_key_of_the_database_is_found_by_its_digest_and_compared_at_the_end(
    shared_app: RunningApp, compared: list[tuple[bytes, bytes]]
) -> None:
    services = shared_app.app.state.services
    async with services.sessions.begin() as session:
        key = await create_key(session, f"kept-{secrets.token_hex(8)}", scopes=[Scope.ADMIN])
    with sent_values(services.engine) as sent:
        assert (await shared_app.http.get(AUDIT, headers={"Authorization": f"Bearer {key}"})).status_code == 200
    assert digest_of(key) in sent
    assert key not in sent
    assert compared[-1] == (digest_of(key), digest_of(key))


@pytest.mark.threat(25)
@pytest.mark.parametrize("right", [None, (0, 0), (0, 2), (1, 1), (1, 2)])
def test_every_signature_is_compared_with_every_secret(
    compared: list[tuple[bytes, bytes]], right: tuple[int, int] | None
) -> None:
    newer_and_older = [b"newer", b"older"]
    timestamp = str(int(NOW.timestamp()))
    macs = [hmac.digest(secret, timestamp.encode() + b"." + BODY, hashlib.sha256) for secret in newer_and_older]
    candidates = [bytes([number]) * 32 for number in range(3)]
    if right is not None:
        candidates[right[1]] = macs[right[0]]
    header = ",".join([f"t={timestamp}", *(f"v{n}={candidate.hex()}" for n, candidate in enumerate(candidates))])
    if right is None:
        with pytest.raises(SignatureRefused):
            check(header, newer_and_older)
    else:
        check(header, newer_and_older)
    assert compared == [(candidate, mac) for candidate in candidates for mac in macs]


def check(header: str, secrets: Sequence[bytes]) -> None:
    verify(BODY, [header], secrets=secrets, tolerance=timedelta(minutes=5), now=NOW)
