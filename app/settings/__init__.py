"""Every setting, read from the environment once, by a root, and handed down from there.

A bad configuration lists every fault at once and shows no value, since most of them are secrets. Lists are
comma-separated. Durations are seconds, or ISO 8601 (`PT5M`).
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.kota import Mode, mismatch, mode_of, mode_of_key, script_url
from app.settings.values import (
    DatabaseUrl,
    Duration,
    EncryptionKeys,
    HttpUrl,
    KotaUrl,
    Origins,
    PrivateKey,
    PublicKey,
    Seconds,
    Secrets,
    ServiceKeys,
    WebhookSecret,
)

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CALL_TIMEOUTS = ("kota_read_timeout", "kota_write_timeout")


class BadConfiguration(Exception):
    """The environment does not make a configuration. The text lists every fault by variable, without values."""


class Settings(BaseSettings):
    """What the service needs to know; the README explains each to a person."""

    model_config = SettingsConfigDict(
        hide_input_in_errors=True, extra="ignore", frozen=True, env_ignore_empty=True, validate_default=True
    )

    # The database.
    database_url: DatabaseUrl
    database_direct_url: DatabaseUrl | None = None
    """Where a transaction pooler stands before `database_url`: the way around it, for all but the API's requests."""
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 16

    # Kota.
    kota_api_url: KotaUrl = "https://test.api.kota.io"
    kota_api_key: SecretStr
    kota_script_url: HttpUrl | None = None
    kota_platform_id: str | None = None
    kota_webhook_secrets: Secrets = ()
    """Newest first. Empty refuses every delivery."""
    kota_webhook_tolerance: Seconds = timedelta(seconds=300)
    kota_events_version: Literal["v1", "v2"] = "v2"
    kota_max_in_flight: Annotated[int, Field(ge=1, le=200)] = 20
    kota_read_timeout: Seconds = timedelta(seconds=10)
    kota_write_timeout: Seconds = timedelta(seconds=30)
    session_timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=8))] = timedelta(seconds=7)
    """The whole time a person waits for a session before it is `kota_unavailable`."""

    # Sync.
    sync_wait: Annotated[Duration, Field(ge=timedelta(0), le=MINUTE)] = timedelta(seconds=5)
    push_lease: Seconds = timedelta(seconds=90)
    push_retry_first: Seconds = timedelta(seconds=2)
    push_retry_longest: Seconds = timedelta(minutes=10)
    idempotency_window: Seconds = timedelta(minutes=50)
    """Kota keeps an idempotency key for an hour; a retry later than this looks first."""
    look_up_after: Seconds = timedelta(seconds=30)
    """How long after an attempt Kota's lists are trusted to show what it did."""
    push_probe_every: Seconds = timedelta(seconds=30)
    """While Kota refuses our API key: how often one push finds out whether it still does."""
    status_poll_first: Seconds = timedelta(hours=1)
    status_poll_later: Seconds = DAY
    restored: bool = False
    """Set after a database restore: creates wait until `kota-bff sync audit --repair` has run."""

    # Events.
    resource_lease: Seconds = timedelta(seconds=60)
    event_retry_first: Seconds = timedelta(seconds=2)
    event_retry_longest: Seconds = timedelta(minutes=30)
    reconcile_every: Seconds = timedelta(minutes=5)
    reconcile_lease: Seconds = timedelta(minutes=5)
    """After a worker died during it, reconciliation goes on this much later. Two at once do no harm."""
    offer_poll_every: Seconds = timedelta(hours=1)
    expire_every: Seconds = timedelta(minutes=10)
    prune_every: Seconds = timedelta(hours=1)

    # Contribution reports.
    report_lease: Seconds = timedelta(minutes=5)
    """Longer than it takes to read the largest report: some seconds for 1,000 employees."""
    report_refresh: Seconds = timedelta(hours=1)
    reports_every: Seconds = timedelta(minutes=15)

    # Workers.
    look_every: Seconds = timedelta(seconds=2)
    shutdown_grace: Seconds = timedelta(seconds=25)
    ops_port: Annotated[int, Field(ge=0, le=65535)] = 9090
    ops_host: str = "127.0.0.1"

    # Frontends.
    frontend_jwks_url: HttpUrl | None = None
    frontend_public_key: PublicKey | None = None
    """PEM. A literal backslash and n is taken for a line break."""
    frontend_issuer: str | None = None
    frontend_audience: str | None = None
    frontend_origins: Origins = ()
    frontend_leeway: Annotated[Duration, Field(ge=timedelta(0), le=5 * MINUTE)] = timedelta(seconds=30)
    frontend_jwks_max_age: Seconds = timedelta(minutes=10)
    claim_employer: str = "kota_employer"
    claim_employee: str = "kota_employee"
    claim_audiences: str = "kota_audiences"
    claim_external_customer: str = "kota_external_customer"
    require_external_customer: bool = False
    sessions_per_minute: Annotated[int, Field(ge=1)] = 30

    # The host's backend.
    service_keys: ServiceKeys = ()
    service_requests_per_minute: Annotated[int, Field(ge=1)] = 60_000
    """Of one key, in each process."""
    batch_uploads: Annotated[int, Field(ge=1, le=100)] = 2
    """At once, in each process."""
    host_webhook_url: HttpUrl | None = None
    host_webhook_secret: WebhookSecret | None = None
    outbox_timeout: Seconds = timedelta(seconds=15)
    outbox_lease: Seconds = timedelta(seconds=60)
    outbox_retry_first: Seconds = timedelta(seconds=5)
    outbox_retry_longest: Seconds = timedelta(hours=6)
    outbox_give_up_after: Seconds = 3 * DAY

    # Data protection.
    encryption_keys: EncryptionKeys
    lookup_key: Annotated[SecretStr, Field(min_length=32)]
    retain_events: Seconds = 90 * DAY
    retain_dead_letters: Seconds = 30 * DAY
    retain_batch_lines: Seconds = 7 * DAY
    retain_grants: Seconds = 400 * DAY
    erase_offboarded_after: Seconds = 180 * DAY

    # Development only.
    dev_signing_key: PrivateKey | None = None
    """A PEM private key with which `kota-bff token` signs. Refused beside a live Kota key."""

    # Operation.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    """`console` is for a developer's terminal: it shows the texts of exceptions. Refused beside a live Kota key."""
    docs_enabled: bool = False
    serve_only: Literal["public", "internal"] | None = None

    @property
    def environment(self) -> Mode:
        """Which of Kota's two worlds the API key belongs to."""
        return mode_of(api_url=self.kota_api_url, api_key=self.kota_api_key.get_secret_value()) or Mode.TEST

    @property
    def script_url(self) -> str:
        """Where a browser loads Kota.js from."""
        return self.kota_script_url or script_url(self.environment)

    @property
    def direct_url(self) -> str:
        """A database URL that leads to PostgreSQL itself."""
        return (self.database_direct_url or self.database_url).get_secret_value()

    # What is wrong between settings is checked at the later of the two, so that it is listed beside all other faults.

    @field_validator("kota_api_key")
    @classmethod
    def _key_fits_host(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        api_key = key.get_secret_value()
        if mode_of_key(api_key) is None:
            raise ValueError("must start with pk_test_ or pk_live_")
        if mismatch(api_url=info.data.get("kota_api_url", ""), api_key=api_key):
            raise ValueError("a test key does not fit Kota's live host, nor a live key the test host")
        if mode_of_key(api_key) is Mode.LIVE and not _is_https(info.data.get("kota_api_url")):
            raise ValueError("a live key goes over https only: KOTA_API_URL must be https://")
        return key

    @field_validator("kota_script_url", "frontend_jwks_url", "host_webhook_url")
    @classmethod
    def _https_beside_a_live_key(cls, url: str | None, info: ValidationInfo) -> str | None:
        # Who can change what is fetched there signs in as anybody, and who listens reads texts about people.
        if _is_live(info) and not _is_https(url):
            raise ValueError("must be https:// beside a live KOTA_API_KEY")
        return url

    @field_validator("push_lease", "resource_lease", "outbox_lease")
    @classmethod
    def _lease_outlives_call(cls, lease: timedelta, info: ValidationInfo) -> timedelta:
        timeouts = ("outbox_timeout",) if info.field_name == "outbox_lease" else CALL_TIMEOUTS
        calls = sum((info.data.get(name, timedelta(0)) for name in timeouts), timedelta(0))
        # A claimed job may wait for its turn for a fifth of its lease.
        if lease * 4 / 5 < calls:
            raise ValueError(f"must be at least 1.25 times {' and '.join(timeouts).upper()}")
        return lease

    @field_validator("frontend_public_key")
    @classmethod
    def _one_source_of_keys(cls, key: str | None, info: ValidationInfo) -> str | None:
        if key and info.data.get("frontend_jwks_url"):
            raise ValueError("set this or FRONTEND_JWKS_URL, not both")
        return key

    @field_validator("frontend_issuer", "frontend_audience")
    @classmethod
    def _tokens_name_their_parties(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value and (info.data.get("frontend_jwks_url") or info.data.get("frontend_public_key")):
            raise ValueError("needed beside FRONTEND_JWKS_URL or FRONTEND_PUBLIC_KEY")
        return value

    @field_validator("service_keys")
    @classmethod
    def _names_are_unique(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        names = [key.split(":")[0] for key in keys]
        if len(names) != len(set(names)):
            raise ValueError("every name may stand once")
        return keys

    @field_validator("host_webhook_secret")
    @classmethod
    def _messages_are_signed(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # An address that was refused is not there; its own fault says enough.
        if "host_webhook_url" in info.data and bool(secret) != bool(info.data["host_webhook_url"]):
            raise ValueError("set it together with HOST_WEBHOOK_URL, or neither")
        return secret

    @field_validator("dev_signing_key", "log_format")
    @classmethod
    def _never_beside_a_live_key(cls, value: Any, info: ValidationInfo) -> Any:
        if value not in {None, "json"} and _is_live(info):
            raise ValueError("must not be set beside a live KOTA_API_KEY")
        return value


def _is_live(info: ValidationInfo) -> bool:
    """Whether the Kota key, if there is a valid one, is live."""
    key = info.data.get("kota_api_key")
    return key is not None and mode_of_key(key.get_secret_value()) is Mode.LIVE


def _is_https(url: str | None) -> bool:
    """Also what is not set, or is refused for itself."""
    return url is None or url.lower().startswith("https://")


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; raises BadConfiguration with every fault, a line each."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise BadConfiguration("\n".join(_line(fault["loc"], fault["msg"]) for fault in faults)) from None


def _line(place: tuple[str | int, ...], message: str) -> str:
    name, *rest = place
    # Items of a list are counted from 1, as people do.
    item = f", item {rest[0] + 1}" if rest and isinstance(rest[0], int) else ""
    return f"{str(name).upper()}{item}: {message.removeprefix('Value error, ')}"
