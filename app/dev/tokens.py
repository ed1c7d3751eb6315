"""Frontend tokens for development, as the host's identity provider would sign them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.settings import Settings
from app.settings.public_keys import usable


class NoSigningKey(Exception):
    """There is no key to sign with: `kota-bff dev` writes one to its dev.env, see DEV_SIGNING_KEY."""


def sign_frontend_token(
    settings: Settings,
    *,
    employer: str,
    employee: str | None,
    audiences: Sequence[str],
    external_customer: str | None,
    subject: str,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """A JWT that these settings accept. `employer` and `employee` are the host's own references.

    Raises NoSigningKey. Settings refuse such a key beside a live Kota key, so nothing signed here opens live data.
    """
    if settings.dev_signing_key is None:
        raise NoSigningKey(NoSigningKey.__doc__)
    pem = settings.dev_signing_key.get_secret_value()
    _, algorithm = usable(load_pem_private_key(pem.encode(), password=None).public_key())
    optional = {settings.claim_employee: employee, settings.claim_external_customer: external_customer}
    claims = {
        "iss": settings.frontend_issuer,
        "aud": settings.frontend_audience,
        "sub": subject,
        "iat": now,
        "exp": now + lifetime,
        settings.claim_employer: employer,
        settings.claim_audiences: list(audiences),
        **{name: value for name, value in optional.items() if value is not None},
    }
    return jwt.encode(claims, pem, algorithm=algorithm)
