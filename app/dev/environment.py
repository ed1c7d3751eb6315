"""The settings of a development stack as environment variables, for its own processes and for `dev.env`."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.dev.credentials import Credentials
from app.dev.files import write_private
from app.dev.ports import free_port
from app.settings import Settings

HOST = "127.0.0.1"
PLATFORM_ID = "pt_00000000000000000000000000000001"


@dataclass(frozen=True)
class Addresses:
    database_url: str
    port: int
    sandbox_port: int

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{HOST}:{self.sandbox_port}"


# A person who kills a worker or stops the sandbox wants to see what becomes of it, within seconds.
IMPATIENT = {
    "KOTA_READ_TIMEOUT": "5",
    "KOTA_WRITE_TIMEOUT": "8",
    "PUSH_LEASE": "25",
    "PUSH_RETRY_LONGEST": "5",
    "RESOURCE_LEASE": "25",
    "EVENT_RETRY_LONGEST": "5",
}


def service_environment(credentials: Credentials, addresses: Addresses) -> dict[str, str]:
    """What `serve`, `worker` and `migrate` need.

    Settings of the caller's own, like SYNC_WAIT, are taken along where the stack does not decide them.
    """
    decided = {
        "DATABASE_URL": addresses.database_url,
        "KOTA_API_URL": addresses.sandbox_url,
        "KOTA_API_KEY": credentials.kota_api_key,
        "KOTA_SCRIPT_URL": f"{addresses.sandbox_url}/v1",
        "KOTA_PLATFORM_ID": PLATFORM_ID,
        "KOTA_WEBHOOK_SECRETS": credentials.webhook_secret,
        "FRONTEND_PUBLIC_KEY": one_line(credentials.public_key),
        "FRONTEND_ISSUER": "kota-bff-dev",
        "FRONTEND_AUDIENCE": "kota-bff",
        "DEV_SIGNING_KEY": one_line(credentials.signing_key),
        "SERVICE_KEYS": f"dev:{hashlib.sha256(credentials.service_key.encode()).hexdigest()}",
        "ENCRYPTION_KEYS": credentials.encryption_key,
        "LOOKUP_KEY": credentials.lookup_key,
        # For a further `serve` and `worker`: their defaults may be taken by this stack.
        "PORT": str(free_port()),
        "OPS_PORT": "0",
        # Empty is the same as not set; what the caller's environment says would contradict the above.
        "DATABASE_DIRECT_URL": "",
        "FRONTEND_JWKS_URL": "",
    }
    defaults = {"LOG_FORMAT": "console", "DOCS_ENABLED": "true", "SHUTDOWN_GRACE": "5", **IMPATIENT}
    names = (name.upper() for name in Settings.model_fields)
    return defaults | {name: os.environ[name] for name in names if name in os.environ} | decided


def demo_environment(credentials: Credentials, addresses: Addresses) -> dict[str, str]:
    """What the demo host knows. Not in `dev.env`: nothing but the API of this stack serves the demo."""
    return {
        "DEMO_API_URL": addresses.api_url,
        "DEMO_SERVICE_KEY": credentials.service_key,
        "DEMO_SANDBOX_URL": addresses.sandbox_url,
    }


def sandbox_environment(credentials: Credentials, addresses: Addresses, *, data_dir: Path) -> dict[str, str]:
    """Whatever else the caller set for the sandbox reaches it as well."""
    return {
        "SANDBOX_HOST": HOST,
        "SANDBOX_PORT": str(addresses.sandbox_port),
        "SANDBOX_DATA_DIR": str(data_dir),
        "SANDBOX_API_KEYS": credentials.kota_api_key,
        "SANDBOX_PLATFORM_ID": PLATFORM_ID,
        "SANDBOX_WEBHOOK_URL": f"{addresses.api_url}/webhooks/kota",
        "SANDBOX_WEBHOOK_SECRETS": credentials.webhook_secret,
    }


def write_dev_env(path: Path, *, service: Mapping[str, str], credentials: Credentials, addresses: Addresses) -> None:
    """A file for `.` in any POSIX shell. It appears whole, and is the owner's alone: it is full of secrets."""
    people = {
        "KOTA_BFF_URL": addresses.api_url,
        "SANDBOX_URL": addresses.sandbox_url,
        "SERVICE_KEY": credentials.service_key,
        "WEBHOOK_SECRET": credentials.webhook_secret,
    }
    lines = [f"export {name}={quote(value)}" for name, value in {**service, **people}.items()]
    write_private(path, "\n".join(["# Written by `kota-bff dev` whenever it is ready.", *lines, ""]))


def quote(value: str) -> str:
    """A word for the shell that stands for `value`, in quotes always."""
    return "'" + value.replace("'", "'\"'\"'") + "'"


def one_line(pem: str) -> str:
    """Readers of settings take a literal backslash-n for a line break."""
    return pem.strip().replace("\n", "\\n")
