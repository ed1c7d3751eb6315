"""The host's JWKS, served by a real server: fetched, cached, renewed, and done without."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.auth.signing_keys import APART, APART_IN_OUTAGE, MAX_JWKS_BYTES, JWKSKeys, open_http, usable_keys
from app.errors import Unavailable
from tests.databases import NewDatabase
from tests.support.app import Host, running_app, settings_for


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def jwk_of(host: Host, kid: str | None = "k1", **members: Any) -> dict[str, Any]:
    public = host.key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        made = RSAAlgorithm.to_jwk(public)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        made = ECAlgorithm.to_jwk(public)
    else:
        made = OKPAlgorithm.to_jwk(public)
    jwk: dict[str, Any] = json.loads(made) | members
    return jwk | ({"kid": kid} if kid else {})


class Server:
    """Answers with a JWKS, over a real socket."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.answer: bytes | None = None
        self.status = b"200 OK"
        self.headers = b""
        self.delay = 0.0
        self.fetched = 0
        self.asked = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.fetched += 1
        self.asked.set()
        await asyncio.sleep(self.delay)
        body = json.dumps({"keys": self.keys}).encode() if self.answer is None else self.answer
        head = b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % (self.status, self.headers, len(body)) + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(server: Server, port: int = 0) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", port)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/jwks"
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening(Server()) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with open_http() as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(server: Server, http: httpx.AsyncClient, clock: Clock) -> JWKSKeys:
    return JWKSKeys(server.url, http=http, max_age=timedelta(minutes=10), clock=clock)


@pytest.mark.threat(1)
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=["RS256", "ES256", "EdDSA"],
)
async def test_person_is_known_by_the_key_that_the_host_publishes(
    new_database: NewDatabase, server: Server, key: Any, algorithm: str
) -> None:
    host, stranger = Host(key, algorithm=algorithm), Host()
    server.keys = [jwk_of(host)]
    settings = settings_for(new_database(), host=host, frontend_public_key=None, frontend_jwks_url=server.url)
    async with running_app(settings) as app:
        known = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer(kid="k1"))
        forged = await app.http.post("/sessions", json={"audience": "employer"}, headers=stranger.bearer(kid="k1"))
        unknown = await app.http.post("/sessions", json={"audience": "employer"}, headers=host.bearer(kid="k2"))
    assert (known.status_code, known.json()["code"]) == (409, "not_ready")
    assert (forged.status_code, unknown.status_code) == (401, 401)


@pytest.mark.threat(4)
async def test_one_fetch_answers_everybody_who_asks_at_once(server: Server, keys: JWKSKeys) -> None:
    server.keys = [jwk_of(Host())]
    found = await asyncio.gather(*(keys.find("k1") for _ in range(20)))
    assert None not in found
    assert server.fetched == 1


async def test_new_key_is_found_without_a_restart(server: Server, keys: JWKSKeys, clock: Clock) -> None:
    server.keys = [jwk_of(Host())]
    assert await keys.find("k1")
    server.keys.append(jwk_of(Host(), "k2"))
    clock.now += APART
    assert await keys.find("k2")
    assert await keys.find("k1")
    assert server.fetched == 2


async def test_withdrawn_key_goes_when_the_cache_is_old(server: Server, keys: JWKSKeys, clock: Clock) -> None:
    server.keys = [jwk_of(Host()), jwk_of(Host(), "k2")]
    assert await keys.find("k1")
    server.keys = server.keys[1:]
    assert await keys.find("k1")
    clock.now += 601
    assert await keys.find("k1") is None


@pytest.mark.threat(4)
async def test_strangers_cannot_drive_traffic(server: Server, keys: JWKSKeys) -> None:
    server.keys = [jwk_of(Host())]
    assert await keys.find("k1")
    # The clock stands still: all of these wait for the one fetch that may come next.
    found = await asyncio.gather(*(keys.find(f"made-up-{number}") for number in range(50)))
    assert set(found) == {None}
    assert server.fetched <= 3


@pytest.mark.threat(4)
async def test_outage_stops_no_known_key(server: Server, keys: JWKSKeys, clock: Clock) -> None:
    server.keys = [jwk_of(Host())]
    first = await keys.find("k1")
    server.status = b"500 Internal Server Error"
    for _ in range(3):
        clock.now += 3600
        assert await keys.find("k1") == first
    with pytest.raises(Unavailable) as refused:
        await keys.find("k2")
    assert refused.value.retry_after
    fetched = server.fetched
    with pytest.raises(Unavailable):
        await keys.find("k2")
    assert server.fetched == fetched
    server.status, server.keys = b"200 OK", [*server.keys, jwk_of(Host(), "k2")]
    clock.now += APART_IN_OUTAGE
    assert await keys.find("k2")


@pytest.mark.threat(4)
async def test_known_key_does_not_wait_for_a_fetch(server: Server, keys: JWKSKeys, clock: Clock) -> None:
    server.keys = [jwk_of(Host())]
    assert await keys.find("k1")
    clock.now += 601
    server.delay = 30
    server.asked.clear()
    slow = asyncio.create_task(keys.find("k1"))
    await server.asked.wait()
    async with asyncio.timeout(5):
        assert await keys.find("k1")
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "redirect": {"status": b"302 Found", "headers": b"Location: /elsewhere\r\n"},
    "not found": {"status": b"404 Not Found"},
    "no JSON": {"answer": b"<html>"},
    "nothing": {"answer": b""},
    "a list": {"answer": b"[]"},
    "no keys": {"answer": b"{}"},
    "keys as an object": {"answer": b'{"keys": {}}'},
    "no key in it": {"answer": b'{"keys": []}'},
    "too many": {"answer": b'{"keys": [' + b"{}," * 64 + b"{}]}"},
    "too large": {"answer": b'{"keys": []}' + b" " * MAX_JWKS_BYTES},
    "too deep": {"answer": b"[" * 100_000},
    "not unpackable": {"answer": b"xx", "headers": b"Content-Encoding: gzip\r\n"},
}


@pytest.mark.threat(4)
@pytest.mark.threat(17)
@pytest.mark.parametrize("wrong", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_answer_that_is_no_jwks_is_an_outage(server: Server, keys: JWKSKeys, wrong: dict[str, Any]) -> None:
    server.keys = [jwk_of(Host())]
    for name, value in wrong.items():
        setattr(server, name, value)
    with pytest.raises(Unavailable):
        await keys.find("k1")


async def test_server_that_is_not_there_is_an_outage(http: httpx.AsyncClient) -> None:
    keys = JWKSKeys("http://127.0.0.1:1/jwks", http=http, max_age=timedelta(minutes=1))
    with pytest.raises(Unavailable):
        await keys.find("k1")


@pytest.mark.threat(1)
@pytest.mark.threat(4)
@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
        {"kty": "RSA", "kid": "k1"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k1"},
        {"kty": "unheard-of", "kid": "k1"},
        "k1",
        None,
        [],
        jwk_of(Host(), "k1", use="enc"),
        jwk_of(Host(ec.generate_private_key(ec.SECP384R1()), algorithm="ES384"), "k1"),
        jwk_of(Host(rsa.generate_private_key(65537, 1024), algorithm="RS256"), "k1"),  # noqa: S505 - it is refused
        jwk_of(Host()) | {"kid": ["k1"]},
    ],
    ids=lambda entry: str(entry)[:40],
)
def test_entry_that_no_supported_algorithm_uses_is_left_out(entry: Any) -> None:
    good = jwk_of(Host(), "good")
    found = usable_keys(json.dumps({"keys": [entry, good]}).encode())
    assert set(found) == {"good"}


@pytest.mark.threat(1)
def test_first_of_two_keys_with_one_id_counts() -> None:
    first, second = Host(), Host()
    found = usable_keys(json.dumps({"keys": [jwk_of(first), jwk_of(second)]}).encode())
    assert found["k1"] == first.key.public_key()
