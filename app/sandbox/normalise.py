"""Kota stores text in its own form, so what comes back is not what was sent. Kota's rules are unpublished."""

import unicodedata
from functools import lru_cache
from typing import Any

from app.sandbox.checks import plain_iban, plain_phone

_UPPER = frozenset({"postal_code", "registration_number"})
_LOWER = frozenset({"email"})
_VERBATIM = frozenset({"metadata", "external_customer_id"})


def _text(name: str, value: str) -> str:
    value = " ".join(unicodedata.normalize("NFC", value).split())
    if name in _UPPER:
        return value.upper()
    if name in _LOWER:
        return value.lower()
    if name == "city" and (value.isupper() or value.islower()):
        return value.title()
    if name == "national_tax_id":
        return value.replace(" ", "").replace("-", "").upper()
    if name == "phone_number":
        return plain_phone(value)
    if name == "account_number":
        return plain_iban(value)
    return value


def normalised(body: dict[str, Any]) -> dict[str, Any]:
    """The same body in stored form, sub-objects included. Metadata stay as they are."""
    stored: dict[str, Any] = {}
    for name, value in body.items():
        if name in _VERBATIM:
            stored[name] = value
        elif isinstance(value, str):
            stored[name] = _text(name, value)
        elif isinstance(value, dict):
            stored[name] = normalised(value)
        else:
            stored[name] = value
    return stored


@lru_cache(maxsize=65_536)
def folded(value: str) -> str:
    """For comparisons that ignore case and accents."""
    if value.isascii():
        return value.lower()
    decomposed = unicodedata.normalize("NFKD", value)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()
