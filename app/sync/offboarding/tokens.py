"""Confirmation tokens: proof that somebody was shown, a short while ago, exactly what would end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import jwt

from app.db.encryption import lookup_digest
from app.errors import FieldError, InvalidInput

LIFE = timedelta(minutes=15)
AUDIENCE = "kota-bff offboarding"


class ConfirmationInvalid(InvalidInput):
    """The confirmation does not hold: it is not ours, too old, or for something else."""

    code = "confirmation_invalid"

    def __init__(self, pointer: str = "/confirmation_token") -> None:
        super().__init__(errors=[FieldError(pointer, "does not confirm this")])


@dataclass(frozen=True, slots=True)
class Shown:
    """What a preview showed: of which record, for which day (None if no day was named), and its digest."""

    kind: str
    ref: str
    kota_id: str
    offboard_on: date | None
    digest: str


def issue(shown: Shown, *, lookup_key: bytes, now: datetime) -> tuple[str, datetime]:
    """A token for what was shown, and when it ends."""
    expires_at = (now + LIFE).replace(microsecond=0)
    # A token confirms once, so two that show the same must differ.
    claims = {**_claims(shown), "aud": AUDIENCE, "exp": int(expires_at.timestamp()), "jti": secrets.token_urlsafe(16)}
    return jwt.encode(claims, _key(lookup_key), algorithm="HS256"), expires_at


def check(
    token: str, *, kind: str, ref: str, offboard_on: date | None, lookup_key: bytes, now: datetime
) -> tuple[Shown, datetime]:
    """What `token` confirms, and until when; ConfirmationInvalid if it is not for this record and this day."""
    try:
        claims = jwt.decode(
            token,
            _key(lookup_key),
            algorithms=["HS256"],
            audience=AUDIENCE,
            options={"verify_exp": False, "require": ["exp", "aud"]},
        )
        expires_at = datetime.fromtimestamp(claims["exp"], tz=now.tzinfo)
        day = claims["offboard_on"]
        shown = Shown(
            kind=claims["kind"],
            ref=claims["ref"],
            kota_id=claims["kota_id"],
            offboard_on=date.fromisoformat(day) if day else None,
            digest=claims["digest"],
        )
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError):
        raise ConfirmationInvalid from None
    # A preview without a day showed the same, and may be confirmed for any day.
    if (shown.kind, shown.ref) != (kind, ref) or shown.offboard_on not in {None, offboard_on} or expires_at <= now:
        raise ConfirmationInvalid
    return shown, expires_at


def digest_of(token: str) -> str:
    """By which it is known that a token has been used: of what is signed, since one signature has several spellings."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def _claims(shown: Shown) -> dict[str, str | None]:
    return {
        "kind": shown.kind,
        "ref": shown.ref,
        "kota_id": shown.kota_id,
        "offboard_on": shown.offboard_on.isoformat() if shown.offboard_on else None,
        "digest": shown.digest,
    }


def _key(lookup_key: bytes) -> bytes:
    return lookup_digest(lookup_key, "offboarding confirmation", b"")
