"""Kinds of values that settings have. Each refuses with a sentence that shows nothing of the value."""

import base64
import binascii
import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.settings.public_keys import UnusableKey, usable

# As SQLAlchemy and asyncpg both read it. A port that is no number, or a reserved character that is not
# percent-encoded, would otherwise be found at the first connection, in an error that quotes the password.
_DATABASE_URL = re.compile(
    r"postgres(ql)?(\+asyncpg)?://([^:/?#@\[\]]*(:[^/?#@\[\]]*)?@)?"
    r"(\[[0-9a-fA-F:.]+\]|[^:/?#@\[\]]*)(:\d{1,5})?/[^/?#]+(\?(?P<query>[^#]*))?"
)
_DATABASE_PARAMETERS = {
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "host", "port", "passfile"),
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _split(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _duration(value: Any) -> Any:
    """Pydantic reads a number as seconds, but the environment knows only strings."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def _parts(value: str) -> SplitResult:
    """The parts of an http(s) URL. The standard library's own complaints quote the URL."""
    try:
        parts = urlsplit(value)
        fits = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or re.search(r"[\s\x00-\x1f\\]", value):
        raise ValueError("must be an http:// or https:// URL")
    return parts


def _http_url(value: str) -> str:
    parts = _parts(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry credentials")
    if "?" in value or "#" in value:
        raise ValueError("must have neither query nor fragment")
    try:
        # What is to be called with it has the last word, now and not at the first call: `xn--` may be no name.
        _ = httpx.URL(value).host
    except (httpx.InvalidURL, ValueError):
        raise ValueError("must name a host that can be called") from None
    return value


def _kota_url(value: str) -> str:
    parts = _parts(value)
    if parts.scheme != "https" and f".{parts.hostname}".endswith(".kota.io"):
        raise ValueError("Kota answers https only")
    # Paths are put after it. The other addresses are whole, and with a slash at their end they may be others.
    return value.rstrip("/")


def _origin(value: str) -> str:
    # Browsers send an origin in lower case and without the scheme's own port; any other spelling would never match.
    parts = _parts(value)
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    if value != f"{parts.scheme}://{host}{port}" or "*" in value:
        raise ValueError("must be an exact origin such as https://app.example.com, in lower case, without a path or *")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    found = _DATABASE_URL.fullmatch(value.get_secret_value())
    if not found:
        raise ValueError(
            "must be postgresql://user:password@host:port/database, other characters of a password percent-encoded"
        )
    parameters = {item.partition("=")[0] for item in (found["query"] or "").split("&") if item}
    if not parameters <= _DATABASE_PARAMETERS:
        raise ValueError(f"may have these parameters: {', '.join(sorted(_DATABASE_PARAMETERS))}")
    return value


def _fernet_key(value: SecretStr) -> SecretStr:
    if len(_base64(value.get_secret_value(), altchars=b"-_")) != 32:
        raise ValueError("must be 32 bytes in URL-safe base64, as `kota-bff keys new-encryption-key` prints")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    if len(_base64(value.get_secret_value().removeprefix("whsec_"))) < 16:
        raise ValueError("must be at least 16 bytes in base64, with or without whsec_ before it")
    return value


def _service_key(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[0-9a-f]{64}", value):
        raise ValueError("must be name:sha256hex, the hex digest of the key in lower case")
    return value


def _line_breaks(value: Any) -> Any:
    """Many platforms cannot hold a line break in a variable, and people write it as backslash and n."""
    return value.replace("\\n", "\n") if isinstance(value, str) else value


NO_KEY = (ValueError, TypeError, UnsupportedAlgorithm, UnusableKey)
"""Raised for input that is not a key, needs a password, or is of a kind that nobody can use."""
KINDS = "RSA of 2048 bits or more, P-256 or Ed25519"


def _public_key(value: str) -> str:
    try:
        usable(load_pem_public_key(value.encode()))
    except NO_KEY:
        raise ValueError(f"must be a public key in PEM: {KINDS}") from None
    return value


def _private_key(value: SecretStr) -> SecretStr:
    try:
        usable(load_pem_private_key(value.get_secret_value().encode(), password=None).public_key())
    except NO_KEY:
        raise ValueError(f"must be a private key in PEM, without a password: {KINDS}") from None
    return value


def _base64(text: str, *, altchars: bytes | None = None) -> bytes:
    """The decoded bytes; empty if `text` is not base64."""
    try:
        return base64.b64decode(text, altchars=altchars, validate=True)
    except (binascii.Error, ValueError):
        return b""


Listed = (NoDecode, BeforeValidator(_split))
HttpUrl = Annotated[str, AfterValidator(_http_url)]
KotaUrl = Annotated[HttpUrl, AfterValidator(_kota_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], *Listed]
Secrets = Annotated[tuple[SecretStr, ...], *Listed]
ServiceKeys = Annotated[tuple[Annotated[str, AfterValidator(_service_key)], ...], *Listed]
EncryptionKeys = Annotated[tuple[Annotated[SecretStr, AfterValidator(_fernet_key)], ...], *Listed, Field(min_length=1)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
PublicKey = Annotated[str, BeforeValidator(_line_breaks), AfterValidator(_public_key)]
PrivateKey = Annotated[SecretStr, BeforeValidator(_line_breaks), AfterValidator(_private_key)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Seconds = Annotated[Duration, Field(gt=timedelta(0))]
