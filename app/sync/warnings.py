"""Warnings: what looks like a slip in a changed field. The record is accepted all the same; people are odd."""

import re

import phonenumbers
from stdnum import iban
from stdnum.exceptions import ValidationError

from app.errors import FieldError
from app.sync.kinds import Fields

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def warnings_about(desired: Fields, *, changed: frozenset[str]) -> list[FieldError]:
    """What looks wrong in the changed fields: phone number, e-mail addresses, bank account."""
    found = []
    if "phone_number" in changed and not _possible_number(desired["phone_number"]):
        found.append(FieldError("/phone_number", "does not look like a phone number in E.164"))
    if "email" in changed and not EMAIL.fullmatch(desired["email"]):
        found.append(FieldError("/email", "does not look like an e-mail address"))
    if "contact" in changed and not EMAIL.fullmatch(desired["contact"]["email"]):
        found.append(FieldError("/contact/email", "does not look like an e-mail address"))
    if "bank_account" in desired and "bank_account" in changed and not _iban(desired["bank_account"]["account_number"]):
        found.append(FieldError("/bank_account/account_number", "does not look like an IBAN"))
    return found


def _possible_number(text: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return False


def _iban(text: str) -> bool:
    try:
        # Without the countries' own checks: a new kind of account number must not look like a mistake.
        iban.validate(text, check_country=False)
    except ValidationError:
        return False
    return True
