"""What tells callers apart, made from the settings."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.auth.frontend_tokens import FrontendTokens, TokenRules
from app.auth.rate_limit import RateLimit
from app.auth.service_keys import ServiceKeys
from app.auth.signing_keys import JWKSKeys, KeySource, PinnedKey, open_http
from app.services import Services
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Authenticators:
    """One for each kind of credential. A root keeps it on the application."""

    frontend: FrontendTokens
    service: ServiceKeys


async def open_authenticators(stack: AsyncExitStack, services: Services) -> Authenticators:
    """For a process with these services; `stack` closes what it opens."""
    settings = services.settings
    limit = RateLimit(settings.service_requests_per_minute)
    return Authenticators(
        frontend=await open_frontend_tokens(stack, settings),
        service=ServiceKeys(settings.service_keys, sessions=services.sessions, limit=limit),
    )


async def open_frontend_tokens(stack: AsyncExitStack, settings: Settings) -> FrontendTokens:
    """From the settings; `stack` closes what it opens."""
    keys: KeySource | None = None
    if settings.frontend_jwks_url:
        http = await stack.enter_async_context(open_http())
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
    return FrontendTokens(keys, rules)
