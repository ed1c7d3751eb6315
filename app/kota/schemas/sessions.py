"""Tokens for Kota's embed and links to its hosted pages."""

from typing import Annotated

from pydantic import Field, SecretStr

from app.kota.schemas.base import KotaModel
from app.kota.times import Instant

Secret = Annotated[SecretStr, Field(min_length=1)]


class EmbedSession(KotaModel):
    """A token for one employer or one employee, good until `expiry` (UTC)."""

    token: Secret
    expiry: Instant


class HostedSession(KotaModel):
    """A link for one employee, single use, good until `expiry` (UTC)."""

    link: Secret
    expiry: Instant
