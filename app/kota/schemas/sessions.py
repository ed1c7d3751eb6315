"""Tokens for Kota's embed and links to its hosted pages."""

from pydantic import SecretStr

from app.kota.schemas.base import KotaModel
from app.kota.times import Instant


class EmbedSession(KotaModel):
    """A token for one employer or one employee, good until `expiry` (UTC)."""

    token: SecretStr
    expiry: Instant


class HostedSession(KotaModel):
    """A link for one employee, single use, good until `expiry` (UTC)."""

    link: SecretStr
    expiry: Instant
