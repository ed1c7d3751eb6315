"""The host's public keys: one from the settings, or a JWKS that is fetched, cached and renewed."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.errors import Unavailable

log = structlog.get_logger(__name__)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MAX_JWKS_BYTES = 256 * 1024
MAX_JWKS_KEYS = 64
AGAIN_AFTER = 15.0
"""Seconds between two fetches, however many unknown key ids are asked for: a stranger must not drive our traffic."""


class UnusableKey(Exception):
    """A public key of a kind that no supported algorithm uses."""


def usable(key: object) -> tuple[PublicKey, str]:
    """A public key and the one algorithm that it is good for: a token cannot choose another. Raises UnusableKey."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "ES256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, "EdDSA"
    raise UnusableKey("only RSA of 2048 bits or more, P-256 and Ed25519 keys are used")


class KeySource(Protocol):
    """Where the key of a token comes from."""

    async def find(self, key_id: str | None) -> PublicKey | None:
        """The key of this id; None if there is none. Unavailable while no key could ever be fetched."""


class PinnedKey:
    """One public key from the settings; a token's key id does not matter."""

    def __init__(self, pem: str) -> None:
        """Raises UnusableKey or ValueError for anything but a supported public key in PEM."""
        self._key, _ = usable(load_pem_public_key(pem.replace("\\n", "\n").encode()))

    async def find(self, key_id: str | None) -> PublicKey | None:  # noqa: ARG002 - one key fits every id
        return self._key


class JWKSKeys:
    """The host's JWKS. An outage of its server keeps the keys that are known; a new key id fetches it anew."""

    def __init__(self, url: str, *, http: httpx.AsyncClient, max_age: timedelta) -> None:
        """`http` decides about TLS, redirects and time-outs."""
        self._url = url
        self._http = http
        self._max_age = max_age.total_seconds()
        self._keys: Mapping[str | None, PublicKey] | None = None
        self._fetched_at = self._tried_at = -float("inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> PublicKey | None:
        if self._keys is None or key_id not in self._keys or self._age() > self._max_age:
            await self._renew(key_id)
        if self._keys is None:
            raise Unavailable("The keys of the identity provider cannot be fetched.", retry_after=int(AGAIN_AFTER))
        return self._keys.get(key_id)

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    async def _renew(self, key_id: str | None) -> None:
        async with self._lock:
            # Whoever held the lock before may have fetched what is missing here.
            fresh = self._keys is not None and key_id in self._keys and self._age() <= self._max_age
            if fresh or time.monotonic() - self._tried_at < AGAIN_AFTER:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = await self._fetch()
                self._fetched_at = time.monotonic()
            except (httpx.HTTPError, ValueError, RecursionError) as error:
                log.warning("auth.jwks.unavailable", error=type(error).__name__, known_keys=len(self._keys or {}))

    async def _fetch(self) -> Mapping[str | None, PublicKey]:
        body = bytearray()
        async with self._http.stream("GET", self._url, headers={"Accept": "application/json"}) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError("the JWKS was not answered with 200")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise ValueError("the JWKS is too large")
        return usable_keys(bytes(body))


def usable_keys(body: bytes) -> Mapping[str | None, PublicKey]:
    """The keys of a JWKS document (RFC 7517) by their id. What cannot verify our algorithms is left out.

    Raises ValueError if it is no JWKS or holds no usable key: then the keys known before stay in use.
    """
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_JWKS_KEYS:
        raise ValueError("not a JWKS")
    found: dict[str | None, PublicKey] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        with suppress(jwt.PyJWTError, UnusableKey, ValueError, TypeError):
            found[entry.get("kid")], _ = usable(jwt.PyJWK(entry).key)
    if not found:
        raise ValueError("the JWKS holds no usable key")
    return found
