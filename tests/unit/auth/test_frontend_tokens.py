"""Tokens that hold, and every way known in which one may not: each is refused alike, whatever is wrong with it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.auth.frontend_tokens import FrontendTokens, InvalidToken, TokenRules
from app.auth.signing_keys import PinnedKey
from app.settings.public_keys import UnusableKey, usable
from tests.support.app import AUDIENCE, ISSUER, Host, SigningKey, pem_of

RSA_KEY = rsa.generate_private_key(65537, 2048)
KEYS: dict[str, SigningKey] = {
    "RS256": RSA_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
RULES = TokenRules(
    issuer=ISSUER,
    audience=AUDIENCE,
    leeway=timedelta(seconds=30),
    claim_employer="kota_employer",
    claim_employee="kota_employee",
    claim_audiences="kota_audiences",
    claim_external_customer="kota_external_customer",
)


def tokens_of(host: Host) -> FrontendTokens:
    return FrontendTokens(PinnedKey(pem_of(host.key)), RULES)


def b64(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hmac_token(host: Host, secret: bytes, **header: Any) -> str:
    signed = f"{b64({'alg': 'HS256', 'typ': 'JWT', **header})}.{b64(host.claims())}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def resigned(host: Host, header: dict[str, Any], claims: dict[str, Any] | None = None) -> str:
    """Signed by the right key, with a header or claims that no library would write."""
    return jwt.encode(claims or host.claims(), host.key, host.algorithm, headers=header)


@pytest.mark.parametrize("algorithm", KEYS)
async def test_token_of_each_algorithm_says_who_is_signed_in(algorithm: str) -> None:
    host = Host(KEYS[algorithm], algorithm=algorithm)
    user = await tokens_of(host).verify(host.token("acme", "mary", sub="p-1", kota_external_customer="c-1"))

    assert (user.subject, user.employer_ref, user.employee_ref) == ("p-1", "acme", "mary")
    assert user.audiences == {"employer", "employee"}
    assert user.external_customer_id == "c-1"


async def test_claims_go_by_the_names_of_the_settings() -> None:
    host = Host()
    rules = TokenRules(ISSUER, AUDIENCE, timedelta(0), "org", "person", "may", "customer")
    token = host.token(org="acme-2", person="joe", may=["employee"], customer="c-2")
    user = await FrontendTokens(PinnedKey(pem_of(host.key)), rules).verify(token)
    assert (user.employer_ref, user.employee_ref, user.external_customer_id) == ("acme-2", "joe", "c-2")
    assert user.audiences == {"employee"}


@pytest.mark.parametrize("skew", [{"exp": -20}, {"nbf": 20}, {"iat": 20}], ids=str)
async def test_clocks_may_differ_by_the_leeway(skew: dict[str, Any]) -> None:
    host = Host()
    now = int(time.time())
    user = await tokens_of(host).verify(host.token(**{name: now + by for name, by in skew.items()}))
    assert user.employer_ref == "acme"


def now_and(seconds: int) -> int:
    return int(time.time()) + seconds


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": now_and(-120)},
    "expired long ago": {"exp": 0},
    "expires never": {"exp": None},
    "expires at no time": {"exp": "tomorrow"},
    "expires at infinity": {"exp": float("inf")},
    "expires at a list": {"exp": [now_and(60)]},
    "not yet": {"nbf": now_and(86_400)},
    "issued in the future": {"iat": now_and(86_400)},
    "no issuer": {"iss": None},
    "another issuer": {"iss": "https://evil.test"},
    "issuer with a slash more": {"iss": ISSUER + "/"},
    "issuer in capitals": {"iss": ISSUER.upper()},
    "issuers": {"iss": [ISSUER]},
    "no audience": {"aud": None},
    "another audience": {"aud": "other-api"},
    "no audience in a list": {"aud": []},
    "other audiences": {"aud": ["a", "b"]},
    "audience as an object": {"aud": {"kota-bff": True}},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject of a number": {"sub": 7},
    "subject too long": {"sub": "x" * 256},
    "NUL in the subject": {"sub": "a\x00b"},
    "bidi override in the subject": {"sub": "a\u202eb"},
    "no employer": {"kota_employer": None},
    "employer as a list": {"kota_employer": ["acme"]},
    "employer as an object": {"kota_employer": {"ref": "acme"}},
    "employer as a number": {"kota_employer": 1},
    "empty employer": {"kota_employer": ""},
    "path in the employer": {"kota_employer": "../acme"},
    "SQL in the employer": {"kota_employer": "a' OR '1'='1"},
    "newline in the employer": {"kota_employer": "acme\n"},
    "NUL in the employer": {"kota_employer": "acme\x00"},
    "homoglyph in the employer": {"kota_employer": "\u0430cme"},
    "employer too long": {"kota_employer": "a" * 129},
    "employer that starts with a dot": {"kota_employer": ".acme"},
    "employee as a list": {"kota_employee": ["mary"]},
    "empty employee": {"kota_employee": ""},
    "wildcard employee": {"kota_employee": "*"},
    "employee of true": {"kota_employee": True},
    "zero-width space in the employee": {"kota_employee": "mary\u200b"},
    "no audiences": {"kota_audiences": None},
    "audiences in one string": {"kota_audiences": "employer employee"},
    "unknown audience": {"kota_audiences": ["employer", "admin"]},
    "audience in capitals": {"kota_audiences": ["EMPLOYER"]},
    "audience in a list": {"kota_audiences": [["employer"]]},
    "audience of null": {"kota_audiences": [None]},
    "audiences as an object": {"kota_audiences": {"employer": True}},
    "empty customer": {"kota_external_customer": ""},
    "customer as a list": {"kota_external_customer": ["c-1"]},
    "customer too long": {"kota_external_customer": "c" * 256},
    "NUL in the customer": {"kota_external_customer": "c\x00"},
    "unpaired surrogate in the customer": {"kota_external_customer": "c\ud800"},
    "invisible character in the customer": {"kota_external_customer": "c\u2060"},
}


@pytest.mark.threat(1)
@pytest.mark.threat(2)
@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_claim_that_does_not_hold(claims: dict[str, Any]) -> None:
    host = Host()
    # Not through a library, which would refuse to write some of them.
    token = jwt.api_jws.encode(json.dumps(host.claims(**claims)).encode(), host.key, host.algorithm)
    with pytest.raises(InvalidToken):
        await tokens_of(host).verify(token)


FORGERIES: dict[str, Callable[[Host], str]] = {
    "alg none": lambda host: f"{b64({'alg': 'none'})}.{b64(host.claims())}.",
    "alg None": lambda host: f"{b64({'alg': 'None'})}.{b64(host.claims())}.",
    "alg nOnE": lambda host: f"{b64({'alg': 'nOnE'})}.{b64(host.claims())}.",
    "alg none with the signature": lambda host: f"{b64({'alg': 'none'})}." + ".".join(host.token().split(".")[1:]),
    "no alg": lambda host: f"{b64({'typ': 'JWT'})}." + ".".join(host.token().split(".")[1:]),
    "alg as a list": lambda host: f"{b64({'alg': ['ES256']})}." + ".".join(host.token().split(".")[1:]),
    "alg of null": lambda host: f"{b64({'alg': None})}." + ".".join(host.token().split(".")[1:]),
    "HMAC with the public key": lambda host: hmac_token(host, pem_of(host.key).encode()),
    "HMAC with the public key, stripped": lambda host: hmac_token(host, pem_of(host.key).strip().encode()),
    "HMAC with nothing": lambda host: hmac_token(host, b""),
    "HMAC and a kid of a file": lambda host: hmac_token(host, b"", kid="/dev/null"),
    "another algorithm's key": lambda _: Host(RSA_KEY, algorithm="RS256").token(),
    "a stranger's key": lambda _: Host().token(),
    "a stranger's key with its jwk": lambda _: resigned(
        Host(), {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}
    ),
    "a stranger's key with jku": lambda _: resigned(Host(), {"jku": "https://evil.test/jwks"}),
    "a stranger's key with x5u": lambda _: resigned(Host(), {"x5u": "https://evil.test/cert"}),
    "a stranger's key with x5c": lambda _: resigned(Host(), {"x5c": ["AAAA"]}),
    "an unknown critical header": lambda host: resigned(host, {"crit": ["exp2"], "exp2": 1}),
    "detached payload": lambda host: resigned(host, {"b64": False, "crit": ["b64"]}),
    "kid of a number": lambda host: f"{b64({'alg': 'ES256', 'kid': 7})}." + ".".join(host.token().split(".")[1:]),
    "header of a list": lambda host: f"{b64(b'[]')}." + ".".join(host.token().split(".")[1:]),
    "header that is no JSON": lambda host: f"{b64(b'{')}." + ".".join(host.token().split(".")[1:]),
    "header that is no base64": lambda host: "!!!." + ".".join(host.token().split(".")[1:]),
    "deep header": lambda host: f"{b64(b'[' * 3000)}." + ".".join(host.token().split(".")[1:]),
    "huge number in the header": lambda host: f"{b64(b'1' * 5000)}." + ".".join(host.token().split(".")[1:]),
    "claims that are no object": lambda host: jwt.api_jws.encode(b"[]", host.key, host.algorithm),
    "claims that are no JSON": lambda host: jwt.api_jws.encode(b"{", host.key, host.algorithm),
    "deep claims": lambda host: jwt.api_jws.encode(b"[" * 100_000, host.key, host.algorithm),
    "changed claims": lambda host: tampered(host, kota_employer="other"),
    "changed audience": lambda host: tampered(host, kota_audiences=["employer", "employee", "x"]),
    "signature cut off": lambda host: host.token()[:-2],
    "signature missing": lambda host: host.token().rpartition(".")[0] + ".",
    "no signature part": lambda host: host.token().rpartition(".")[0],
    "signature padded": lambda host: host.token() + "AAAA",
    "signature of another token": lambda host: (
        host.token().rpartition(".")[0] + "." + host.token(sub="x").rpartition(".")[2]
    ),
    "signature in DER": lambda host: host.token().rpartition(".")[0] + "." + b64(b"0E" + b"\x00" * 69),
    "signature of zeros": lambda host: host.token().rpartition(".")[0] + "." + b64(b"\x00" * 64),
    "four parts": lambda host: host.token() + ".x",
    "five parts": lambda host: host.token() + ".x.y",
    "two tokens": lambda host: f"{host.token()},{host.token()}",
    "leading dot": lambda host: "." + host.token(),
    "quoted": lambda host: f'"{host.token()}"',
    "NUL at the end": lambda host: host.token() + "\x00",
    "nothing": lambda _: "",
    "dots": lambda _: "..",
    "not ASCII": lambda host: host.token() + "é",
    "a service key": lambda host: host.service_key,
}


def tampered(host: Host, **claims: Any) -> str:
    header, _, signature = host.token().split(".")
    return f"{header}.{b64(host.claims(**claims))}.{signature}"


@pytest.mark.threat(1)
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_forged_or_broken_token(forge: Callable[[Host], str]) -> None:
    host = Host()
    with pytest.raises(InvalidToken) as refused:
        await tokens_of(host).verify(forge(host))
    # Nothing tells one fault from another.
    assert (refused.value.status, refused.value.code, refused.value.detail) == (401, "invalid_token", None)
    assert refused.value.__suppress_context__


@pytest.mark.threat(1)
async def test_rsa_key_does_not_serve_as_an_hmac_secret() -> None:
    host = Host(RSA_KEY, algorithm="RS256")
    with pytest.raises(InvalidToken):
        await tokens_of(host).verify(hmac_token(host, pem_of(RSA_KEY).encode()))


@pytest.mark.threat(1)
@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_key_is_good_for_one_algorithm(algorithm: str) -> None:
    host = Host(RSA_KEY, algorithm=algorithm)
    with pytest.raises(InvalidToken):
        await tokens_of(host).verify(host.token())


@pytest.mark.threat(1)
@pytest.mark.parametrize("kind", ["no keys", "no rules"])
async def test_without_keys_every_token_is_refused(kind: str) -> None:
    host = Host()
    keys = None if kind == "no keys" else PinnedKey(pem_of(host.key))
    with pytest.raises(InvalidToken):
        await FrontendTokens(keys, None if kind == "no rules" else RULES).verify(host.token())


@pytest.mark.threat(1)
def test_weak_and_foreign_keys_are_not_used() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is the weak key that is refused
    for key in (weak.public_key(), ec.generate_private_key(ec.SECP384R1()).public_key(), RSA_KEY, b"secret", None):
        with pytest.raises(UnusableKey):
            usable(key)


def test_pinned_key_must_be_a_public_one() -> None:
    private = RSA_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for pem in (private, "no key", ""):
        with pytest.raises((UnusableKey, ValueError)):
            PinnedKey(pem)
