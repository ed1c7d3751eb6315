"""A first `.env` for the stack of docker-compose.yml: every secret new, nothing to fill in."""

import hashlib
import secrets

from app.dev.credentials import MAKERS, Credentials
from app.dev.environment import PLATFORM_ID, one_line, quote


def new_env() -> str:
    """Lines for a file that both Compose and a POSIX shell read. Each call makes other secrets."""
    made = Credentials(**{name: make() for name, make in MAKERS.items()})
    sections = {
        "The database of this stack.": {"POSTGRES_PASSWORD": secrets.token_hex(24)},
        "The service, and the sandbox that stands in for Kota.": {
            "KOTA_API_KEY": made.kota_api_key,
            "KOTA_PLATFORM_ID": PLATFORM_ID,
            "KOTA_WEBHOOK_SECRETS": made.webhook_secret,
            "SERVICE_KEYS": f"trial:{hashlib.sha256(made.service_key.encode()).hexdigest()}",
            "ENCRYPTION_KEYS": made.encryption_key,
            "LOOKUP_KEY": made.lookup_key,
            "FRONTEND_PUBLIC_KEY": one_line(made.public_key),
            "FRONTEND_ISSUER": "kota-bff-trial",
            "FRONTEND_AUDIENCE": "kota-bff",
            "DEV_SIGNING_KEY": one_line(made.signing_key),
            "DOCS_ENABLED": "true",
        },
        "For people: the service key whose digest stands above.": {"SERVICE_KEY": made.service_key},
    }
    return "\n".join(
        line
        for title, values in sections.items()
        for line in (f"# {title}", *(f"{name}={quote(value)}" for name, value in values.items()))
    )
