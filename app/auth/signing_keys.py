"""The host's public keys: one from the settings, or a JWKS that is fetched, cached and renewed."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.errors import Unavailable
from app.settings.public_keys import PublicKey, UnusableKey, usable

log = structlog.get_logger(__name__)

Keys = Mapping[str | None, PublicKey]

MAX_JWKS_BYTES = 256 * 1024
MAX_JWKS_KEYS = 64
FETCH_WITHIN = 3.0
"""Seconds for a whole fetch: somebody waits for it."""
APART = 1.0
"""Seconds between two fetches, however many unknown key ids are asked for: a stranger must not drive our traffic. It
is short, since a person whose token was signed with a brand-new key waits for as long."""
APART_IN_OUTAGE = 15.0
RETRY_AFTER = 5


class KeySource(Protocol):
    """Where the key of a token comes from."""

    async def find(self, key_id: str | None) -> PublicKey | None:
        """The key of this id; None if there is none. Unavailable while that cannot be known."""


class PinnedKey:
    """One public key from the settings; a token's key id does not matter."""

    def __init__(self, pem: str) -> None:
        """Raises UnusableKey or ValueError for anything but a supported public key in PEM."""
        self._key, _ = usable(load_pem_public_key(pem.encode()))

    async def find(self, key_id: str | None) -> PublicKey | None:  # noqa: ARG002 - one key fits every id
        return self._key


class JWKSKeys:
    """The host's JWKS.

    A key id that is not known fetches it anew, so that keys roll over without a restart. Known keys are renewed when
    they are old, which is how a withdrawn one goes; while the JWKS cannot be fetched, they stay in use.
    """

    def __init__(
        self,
        url: str,
        *,
        http: httpx.AsyncClient,
        max_age: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`http` is as `open_http` makes it. `clock` gives monotonic seconds."""
        self._url = url
        self._http = http
        self._max_age = max_age.total_seconds()
        self._clock = clock
        self._keys: Keys = {}
        self._fetched_at = self._tried_at = -float("inf")
        self._outage = False
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> PublicKey | None:
        asked_at = self._clock()
        # Whoever knows the key does not wait for somebody else's fetch.
        if key_id not in self._keys or (self._is_old() and not self._lock.locked()):
            async with self._lock:
                if not self._answers(key_id, asked_at):
                    await self._renew()
        if key_id not in self._keys and self._outage:
            raise Unavailable("The keys of the identity provider cannot be fetched.", retry_after=RETRY_AFTER)
        return self._keys.get(key_id)

    def _is_old(self) -> bool:
        return self._clock() - self._fetched_at > self._max_age

    def _answers(self, key_id: str | None, asked_at: float) -> bool:
        """Whether what was fetched already answers a question of that moment."""
        since = self._clock() - self._tried_at
        if self._outage:
            return since < APART_IN_OUTAGE
        return self._tried_at >= asked_at or (key_id in self._keys and not self._is_old())

    async def _renew(self) -> None:
        # Those who ask meanwhile wait for the lock, and then find their answer.
        if not self._outage:
            await asyncio.sleep(max(0.0, self._tried_at + APART - self._clock()))
        self._tried_at = self._clock()
        try:
            self._keys = usable_keys(await fetch_jwks(self._http, self._url))
        except (httpx.HTTPError, ValueError, RecursionError, TimeoutError) as error:
            self._outage = True
            log.warning("auth.jwks.unavailable", error=type(error).__name__, known_keys=len(self._keys))
            return
        self._outage = False
        self._fetched_at = self._tried_at


def open_http() -> httpx.AsyncClient:
    """What a JWKS is fetched with: TLS verified, no redirect followed, no proxy of the machine's environment."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "kota-bff"}
    return httpx.AsyncClient(timeout=FETCH_WITHIN, headers=headers, follow_redirects=False, trust_env=False)


async def fetch_jwks(http: httpx.AsyncClient, url: str) -> bytes:
    """The document at `url`, of `MAX_JWKS_BYTES` at most, within `FETCH_WITHIN`.

    Raises httpx.HTTPError, TimeoutError, and ValueError for any response but a plain 200 of at most `MAX_JWKS_BYTES`.
    """
    body = bytearray()
    async with asyncio.timeout(FETCH_WITHIN), http.stream("GET", url, follow_redirects=False) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"it answers {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            # An encoded trifle can fill the memory while it is decoded.
            raise ValueError("it has a content encoding, which was not asked for")
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_JWKS_BYTES:
                raise ValueError("it is too large")
    return bytes(body)


def usable_keys(body: bytes) -> Keys:
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
            key, _ = usable(jwt.PyJWK(entry).key)
            key_id = entry.get("kid")
            # The first of one id is the one that counts.
            if isinstance(key_id, str | None):
                found.setdefault(key_id, key)
    if not found:
        raise ValueError("the JWKS holds no usable key")
    return found
