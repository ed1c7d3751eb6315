"""Is everything around the service as it must be? Each check looks, changes nothing, and says what to do."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import make_url

from app.auth.signing_keys import fetch_jwks, open_http, usable_keys
from app.db import migrate
from app.db.engine import asyncpg_dsn
from app.kota import NO_RETRY, KotaClient, KotaError, KotaNotFound, KotaUnauthorized, Mode, open_client
from app.settings import BadConfiguration, Settings, load_settings

WEBHOOK_PATH = "/webhooks/kota"
# A frontend's token or a webhook may be refused by then, long before the usual leeways are used up.
NOTABLE_SKEW = timedelta(seconds=2)
PATIENCE = 5.0
"""Seconds for a connection to the database."""


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw. `advice` is empty only where all is well."""

    check: str
    state: State
    seen: str
    advice: str = ""


def run_doctor(console: Console, *, webhook_url: str | None) -> int:
    """Print what every check found; 1 if any of them is a fault."""
    try:
        settings = load_settings()
    except BadConfiguration as error:
        findings = [_bad_setting(line) for line in str(error).splitlines()]
    else:
        findings = asyncio.run(examine(settings, webhook_url=webhook_url))
    console.print(_table(findings))
    return int(any(finding.state is State.FAULT for finding in findings))


async def examine(settings: Settings, *, webhook_url: str | None = None) -> list[Finding]:
    """Every check that these settings call for. `webhook_url` is what Kota should deliver to, if that is known."""
    findings = list(_settings(settings))
    findings += await _database("database", settings.database_url.get_secret_value())
    if settings.database_direct_url is not None:
        findings += await _database("direct database", settings.direct_url)
    findings += await _kota(settings, webhook_url=webhook_url)
    findings.append(await _frontend_keys(settings))
    return findings


def _bad_setting(line: str) -> Finding:
    name, _, fault = line.partition(": ")
    return Finding("settings", State.FAULT, name, fault)


def _settings(settings: Settings) -> Iterator[Finding]:
    mode = settings.environment
    yield Finding("settings", State.OK, f"valid, for Kota's {mode} environment at {settings.kota_api_url}")
    if not settings.kota_webhook_secrets:
        yield Finding(
            "webhook secret",
            State.FAULT if mode is Mode.LIVE else State.NOTE,
            "KOTA_WEBHOOK_SECRETS is empty",
            "Every delivery is refused. Set the secret that Kota gave for the endpoint.",
        )
    if not settings.service_keys:
        yield Finding(
            "service keys",
            State.NOTE,
            "SERVICE_KEYS is empty",
            "The host's backend cannot call /internal, nor Prometheus /metrics, unless keys are kept in the database.",
        )
    if settings.restored:
        yield Finding(
            "restored",
            State.NOTE,
            "RESTORED is set",
            "Nothing is created at Kota. Unset it when `kota-bff sync audit --repair` has run.",
        )


async def _database(name: str, url: str) -> list[Finding]:
    where = make_url(url)
    address = f"{where.host}:{where.port or 5432}/{where.database}"
    try:
        # No prepared statements: a transaction pooler may stand in between.
        connection = await asyncpg.connect(asyncpg_dsn(url), timeout=PATIENCE, statement_cache_size=0)
        try:
            version = await connection.fetchval("SHOW server_version")
            server = Finding(name, State.OK, f"{address}, PostgreSQL {version}")
            return [server, await _revision(connection), await _clock(connection)]
        finally:
            await connection.close(timeout=PATIENCE)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The driver names users and databases, never passwords.
        reason = next(iter(str(error).splitlines()), "")
        advice = "Nothing works without it. Is it up, and do DATABASE_URL and the network lead to it?"
        return [Finding(name, State.FAULT, f"{address}: {type(error).__name__} {reason}", advice)]


async def _revision(connection: asyncpg.Connection) -> Finding:
    needed = migrate.head()
    found = None
    if await connection.fetchval("SELECT to_regclass('alembic_version')::text"):
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    if found == needed:
        return Finding("revision", State.OK, f"{found}, as this version needs")
    if found is None or found < needed:
        return Finding("revision", State.FAULT, f"{found or 'none'}, but {needed} is needed", "Run `kota-bff migrate`.")
    advice = (
        "A newer version migrated it. That is fine during a deployment or after going back; else deploy that one here."
    )
    return Finding("revision", State.NOTE, f"{found}, newer than {needed}", advice)


async def _clock(connection: asyncpg.Connection) -> Finding:
    before = datetime.now(UTC)
    there: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return judge_clock(there, before=before, after=datetime.now(UTC))


def judge_clock(there: datetime, *, before: datetime, after: datetime) -> Finding:
    """The database's time, asked for between `before` and `after` here."""
    # Whatever the answer's way took cannot be told from a difference.
    skew = max(there - after, before - there, timedelta(0))
    seen = f"{skew.total_seconds():.1f} s off the database's"
    if skew < NOTABLE_SKEW:
        return Finding("clock", State.OK, seen)
    advice = "Set the clocks by NTP: signatures and tokens carry times, and are refused when they seem old or early."
    return Finding("clock", State.FAULT, seen, advice)


async def _kota(settings: Settings, *, webhook_url: str | None) -> list[Finding]:
    """The list of webhook endpoints is the least that any key may read."""
    client = open_client(
        api_url=settings.kota_api_url, api_key=settings.kota_api_key.get_secret_value(), read_retry=NO_RETRY
    )
    async with client:
        begun = time.monotonic()
        try:
            endpoints = await _endpoints(client)
            took = (time.monotonic() - begun) * 1000
            platform = [await _platform(client, settings.kota_platform_id)] if settings.kota_platform_id else []
        except KotaUnauthorized as error:
            advice = "KOTA_API_KEY is wrong, revoked, or lacks the right. Pushing pauses until Kota takes it."
            return [Finding("Kota", State.FAULT, str(error), advice)]
        except KotaNotFound as error:
            return [Finding("Kota", State.FAULT, str(error), "KOTA_API_URL leads to something else than Kota's API.")]
        except KotaError as error:
            advice = "Records and events wait and go on by themselves; people get no sessions. See Kota's status page."
            return [Finding("Kota", State.FAULT, str(error), advice)]
    takes = Finding("Kota", State.OK, f"takes the key, answered in {took:.0f} ms")
    return [takes, *platform, _endpoint(endpoints, webhook_url)]


async def _platform(client: KotaClient, wanted: str) -> Finding:
    """Kota says whose a key is only by what belongs to it."""
    employer = await anext(client.list_employers(), None)
    found = employer.platform_id if employer else None
    if found is None:
        return Finding(
            "platform", State.NOTE, "no employer yet by which to tell whose KOTA_API_KEY is", "Ask again later."
        )
    if found == wanted:
        return Finding("platform", State.OK, f"KOTA_API_KEY is of {found}")
    advice = (
        "KOTA_API_KEY or KOTA_PLATFORM_ID is another platform's. Stop the workers: they push to where the key leads."
    )
    return Finding("platform", State.FAULT, f"KOTA_API_KEY is of {found}, KOTA_PLATFORM_ID of {wanted}", advice)


async def _endpoints(client: KotaClient) -> list[str]:
    return [str(item.get("endpoint_url")) async for item in client.get_all("/webhooks/endpoints")]


def _endpoint(registered: list[str], wanted: str | None) -> Finding:
    """Without `wanted`, any endpoint with our path will do: the service does not know its own public address."""
    if wanted is None:
        found = [url for url in registered if urlsplit(url).path.endswith(WEBHOOK_PATH)]
        wanted = f"https://<this service>{WEBHOOK_PATH}"
    else:
        found = [url for url in registered if url == wanted]
    if found:
        return Finding("webhook endpoint", State.OK, f"Kota delivers to {', '.join(found)}")
    advice = f"Ask Kota to register {wanted} for v2 events. Until then events come by polling alone."
    return Finding("webhook endpoint", State.NOTE, f"Kota knows {', '.join(registered) or 'none'}", advice)


async def _frontend_keys(settings: Settings) -> Finding:
    name = "frontend keys"
    if settings.frontend_jwks_url:
        return await _jwks(name, settings.frontend_jwks_url)
    if settings.frontend_public_key:
        # Settings take no other.
        return Finding(name, State.OK, "FRONTEND_PUBLIC_KEY can be used")
    advice = (
        "Frontends cannot call the service themselves. Fine where only the backend does, with POST /internal/sessions."
    )
    return Finding(name, State.NOTE, "neither FRONTEND_JWKS_URL nor FRONTEND_PUBLIC_KEY is set", advice)


async def _jwks(name: str, url: str) -> Finding:
    try:
        async with open_http() as http:
            document = await fetch_jwks(http, url)
    except (httpx.HTTPError, TimeoutError) as error:
        advice = "New processes refuse every frontend until it answers; those that have its keys go on."
        return Finding(name, State.FAULT, f"{url}: {type(error).__name__}", advice)
    except ValueError as error:
        return Finding(name, State.FAULT, f"{url}: {error}", "FRONTEND_JWKS_URL must answer 200 with a JWKS.")
    try:
        keys = usable_keys(document)
    except (ValueError, RecursionError):
        advice = "It must be a JWKS with a key for RS256 (2048 bits or more), ES256 or EdDSA (Ed25519)."
        return Finding(name, State.FAULT, f"{url} holds no usable key", advice)
    return Finding(name, State.OK, f"{url} has {len(keys)} usable key(s)")


COLOURS = {State.OK: "green", State.NOTE: "yellow", State.FAULT: "bold red"}


def _table(findings: list[Finding]) -> Table:
    table = Table("", "check", "seen", "what to do", title="kota-bff doctor", title_justify="left")
    for finding in findings:
        # Text, since what was seen may hold square brackets.
        state = Text(finding.state, style=COLOURS[finding.state])
        table.add_row(state, finding.check, Text(finding.seen), Text(finding.advice))
    return table
