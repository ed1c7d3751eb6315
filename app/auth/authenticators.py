"""What tells callers apart, made from the settings."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from app.auth.frontend_tokens import FrontendTokens, TokenRules
from app.auth.service_keys import ServiceKeys
from app.auth.signing_keys import JWKSKeys, KeySource, PinnedKey
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Authenticators:
    """One for each kind of credential. A root keeps it on the application."""

    frontend: FrontendTokens
    service: ServiceKeys


async def open_authenticators(stack: AsyncExitStack, settings: Settings) -> Authenticators:
    """From the settings; `stack` closes what it opens. Raises ValueError for a public key that cannot be used."""
    keys: KeySource | None = None
    if settings.frontend_jwks_url:
        http = httpx.AsyncClient(timeout=3, follow_redirects=False, trust_env=False)
        await stack.enter_async_context(http)
        keys = JWKSKeys(settings.frontend_jwks_url, http=http, max_age=settings.frontend_jwks_max_age)
    elif settings.frontend_public_key:
        keys = PinnedKey(settings.frontend_public_key)
    rules = TokenRules(
        issuer=settings.frontend_issuer or "",
        audience=settings.frontend_audience or "",
        leeway=settings.frontend_leeway,
        claim_employer=settings.claim_employer,
        claim_employee=settings.claim_employee,
        claim_audiences=settings.claim_audiences,
        claim_external_customer=settings.claim_external_customer,
    )
    return Authenticators(FrontendTokens(keys, rules), ServiceKeys(settings.service_keys))
