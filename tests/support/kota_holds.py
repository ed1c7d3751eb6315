"""What Kota must hold of a record that a host sent: the tests' own statement, that shares nothing with the sandbox.

Kota stores text in a form of its own (Kota's OpenAPI: "will be normalised"). Which one, Kota leaves open; the
sandbox's is described in docs/sandbox.md.
"""

import random
import re
import unicodedata
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]

_FORMS: dict[str, Callable[[str], str]] = {
    "postal_code": str.upper,
    "registration_number": str.upper,
    "email": str.lower,
    "city": lambda text: text if text not in {text.upper(), text.lower()} else text.title(),
    "national_tax_id": lambda text: re.sub(r"[ -]", "", text).upper(),
    "phone_number": lambda text: re.sub(r"[^+0-9]", "", text),
    "account_number": lambda text: text.replace(" ", "").upper(),
}
_TEXTS = frozenset({*_FORMS, "legal_name", "line1", "line2", "line3", "state", "name", "first_name", "last_name"})
_WAYS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: f"  {text} ",
    lambda text: text.replace(" ", "   "),
    lambda text: unicodedata.normalize("NFD", text),
    str.lower,
    str.upper,
)
_AS_SENT = frozenset({"metadata", "external_customer_id"})
_EMPLOYER = ("legal_name", "registration_number", "legal_address", "contact", "earliest_benefits_start_date")
_EMPLOYEE = (
    "external_customer_id",
    "first_name",
    "last_name",
    "date_of_birth",
    "sex_at_birth",
    "home_address",
    "nationality",
    "national_tax_id",
    "start_on",
    "earliest_benefits_start_date",
    "phone_number",
    "email",
    "bank_account",
)


def held_by_kota(record: Record, *, ref: str, employer_id: str | None = None) -> Record:
    """Every field that the host decides about, as Kota's own copy must have it; None where nothing was sent.

    `employer_id` is Kota's id of an employee's employer, and None for employers.
    """
    names = _EMPLOYER if employer_id is None else _EMPLOYEE
    held: Record = {name: _form(name, record.get(name)) for name in names}
    held["metadata"] = {**(record.get("metadata") or {}), "id": ref}
    for address in {"legal_address", "home_address"} & held.keys():
        held[address] = {"line2": None, "line3": None, "state": None, **held[address]}
    if employer_id is not None:
        held["employer_id"] = employer_id
        if account := held["bank_account"]:
            held["bank_account"] = {**account, "account_number_last4": account["account_number"][-4:]}
    return held


def held_fields(body: Record) -> Record:
    """Of a record at Kota, as the sandbox's `/_control/state` shows it, all that the host decides about."""
    names = _EMPLOYEE if "employer_id" in body else _EMPLOYER
    return {name: body[name] for name in (*names, "metadata", *({"employer_id"} & body.keys()))}


def untidy(record: Record, rng: random.Random) -> Record:
    """The same record with some of its text written as people write it, so that Kota's form differs from it."""
    return {name: _untidy(name, value, rng) for name, value in record.items()}


def _form(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _form(inner, content) for inner, content in value.items()}
    if not isinstance(value, str):
        return value
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFC", value)).strip()
    return _FORMS.get(name, str)(text) if name not in _AS_SENT else value


def _untidy(name: str, value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and name not in _AS_SENT:
        return untidy(value, rng)
    return rng.choice(_WAYS)(value) if name in _TEXTS else value
