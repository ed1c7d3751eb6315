"""Frontend tokens: the host's own JWT says who is signed in, and for whom they may act.

Ids in the claims are the host's own references, never Kota's. A token that does not hold is answered 401 whatever is
wrong with it; the reason goes to the log, where it helps the host and no stranger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import structlog

from app.auth.signing_keys import KeySource
from app.errors import Unauthenticated
from app.settings.public_keys import UnusableKey, usable
from app.web.refs import is_plain, is_ref

log = structlog.get_logger(__name__)

KNOWN = ("employer", "employee")
MAX_CLAIM = 255


class InvalidToken(Unauthenticated):
    """The token is not valid."""

    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class FrontendUser:
    """A signed-in person of the host."""

    subject: str
    employer_ref: str
    employee_ref: str | None
    audiences: frozenset[str]
    """What they may open: `employer`, `employee`, both or none."""
    external_customer_id: str | None
    """The employer-of-record's customer that they belong to."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say, and under which names."""

    issuer: str
    audience: str
    leeway: timedelta
    claim_employer: str
    claim_employee: str
    claim_audiences: str
    claim_external_customer: str


class FrontendTokens:
    """Verifies frontend tokens. Without keys it refuses every one."""

    def __init__(self, keys: KeySource | None, rules: TokenRules | None) -> None:
        self._keys = keys
        self._rules = rules

    async def verify(self, token: str) -> FrontendUser:
        """Who is signed in; InvalidToken if the token does not hold, Unavailable while no key could be fetched."""
        if self._keys is None or self._rules is None:
            log.warning("auth.token.refused", reason="no_keys_configured")
            raise InvalidToken
        try:
            # Of the header only the id of the key is used. Nothing in it can name a key, a URL or an algorithm.
            key = await self._keys.find(_key_id(jwt.get_unverified_header(token)))
            if key is None:
                raise jwt.InvalidKeyError("unknown key id")
            _, algorithm = usable(key)
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=self._rules.leeway,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, UnusableKey, ValueError, TypeError, OverflowError, RecursionError) as error:
            log.info("auth.token.refused", reason=type(error).__name__)
            raise InvalidToken from None
        return _user(claims, self._rules)


def _key_id(header: Mapping[str, Any]) -> str | None:
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None


def _user(claims: Mapping[str, Any], rules: TokenRules) -> FrontendUser:
    employer, employee = claims.get(rules.claim_employer), claims.get(rules.claim_employee)
    audiences, customer = claims.get(rules.claim_audiences), claims.get(rules.claim_external_customer)
    faults = {
        "sub": not _is_text(claims["sub"]),
        rules.claim_employer: not is_ref(employer),
        rules.claim_employee: employee is not None and not is_ref(employee),
        rules.claim_audiences: not isinstance(audiences, list) or any(item not in KNOWN for item in audiences),
        rules.claim_external_customer: customer is not None and not _is_text(customer),
    }
    if any(faults.values()):
        log.info("auth.token.refused", reason="claims", claims=[name for name, bad in faults.items() if bad])
        raise InvalidToken
    return FrontendUser(
        subject=claims["sub"],
        employer_ref=str(employer),
        employee_ref=employee,
        audiences=frozenset(audiences or ()),
        external_customer_id=customer,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_CLAIM and is_plain(value)
