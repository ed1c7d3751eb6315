"""Kota's two worlds, test and live: which one a key and a host belong to, and where its script comes from.

There is no flag for it: the mode follows from the key and the host (Kota's pages "Environments" and "Authentication").
"""

import hashlib
from enum import StrEnum
from urllib.parse import urlsplit


class Mode(StrEnum):
    TEST = "test"
    LIVE = "live"


_KEY_PREFIXES = {"pk_test_": Mode.TEST, "pk_live_": Mode.LIVE}
_HOSTS = {"test.api.kota.io": Mode.TEST, "api.kota.io": Mode.LIVE}
_SCRIPTS = {Mode.TEST: "https://test.js.kota.io/v1", Mode.LIVE: "https://js.kota.io/v1"}


def mode_of_key(api_key: str) -> Mode | None:
    """The mode that the key's prefix names; None for a prefix that Kota does not document."""
    return next((mode for prefix, mode in _KEY_PREFIXES.items() if api_key.startswith(prefix)), None)


def mode_of_host(api_url: str) -> Mode | None:
    """The mode of one of Kota's own hosts; None for any other, such as a sandbox or a proxy."""
    host = urlsplit(api_url).hostname or ""
    return _HOSTS.get(host.rstrip("."))


def mode_of(*, api_url: str, api_key: str) -> Mode | None:
    """The mode of the key, else of the host, else None."""
    return mode_of_key(api_key) or mode_of_host(api_url)


def mismatch(*, api_url: str, api_key: str) -> bool:
    """Whether the key belongs to one mode and the host to the other."""
    of_key, of_host = mode_of_key(api_key), mode_of_host(api_url)
    return of_key is not None and of_host is not None and of_key is not of_host


def script_url(mode: Mode) -> str:
    """Where the browser loads Kota.js from; it must not be bundled or hosted elsewhere (Kota's page "Kota.js")."""
    return _SCRIPTS[mode]


def key_fingerprint(api_key: str) -> str:
    """Sixteen hex digits that tell one API key from another and give neither away.

    Kota scopes idempotency keys to the API key, so a retry has to know whether it still calls with the same one.
    """
    return hashlib.sha256(b"kota api key:" + api_key.encode()).hexdigest()[:16]
