"""The bodies that Kota's OpenAPI describes for employers, employees and sessions, with the limits its prose adds."""

from functools import lru_cache
from typing import Any

from app.sandbox.checks import (
    Check,
    Findings,
    Object,
    any_text,
    day,
    email,
    iban,
    instant,
    metadata,
    one_of,
    phone,
    text,
)
from app.sandbox.countries import COUNTRIES, COUNTRIES_WITH_STATES, is_postal_code

country = one_of(COUNTRIES)
sex = one_of(frozenset({"male", "female"}))

_ADDRESS: dict[str, Check] = {"line1": text, "city": text, "postal_code": text}
_ADDRESS_MORE: dict[str, Check] = {"line2": any_text, "line3": any_text, "state": any_text}


def _check_address(value: dict[str, Any], path: str, findings: Findings, *, country_code: object) -> None:
    if not isinstance(country_code, str):
        return
    if country_code in COUNTRIES_WITH_STATES and not value.get("state"):
        findings.add(f"{path}.state", "Is required in this country.")
    postal_code = value.get("postal_code")
    if isinstance(postal_code, str) and postal_code.strip() and not is_postal_code(postal_code, country=country_code):
        findings.add(f"{path}.postal_code", "Is not a postal code of this country.")


def _in_its_country(value: dict[str, Any], path: str, findings: Findings) -> None:
    _check_address(value, path, findings, country_code=value.get("country_code"))


ADDRESS = Object({**_ADDRESS, "country_code": country}, _ADDRESS_MORE, rule=_in_its_country)
CONTACT = Object({"name": text, "email": email})
BANK_ACCOUNT = Object({"account_number": iban})


def _address_in(country_code: str) -> Object:
    def rule(value: dict[str, Any], path: str, findings: Findings) -> None:
        _check_address(value, path, findings, country_code=country_code)

    return Object(_ADDRESS, _ADDRESS_MORE, rule=rule)


CREATE_EMPLOYER = Object(
    {"legal_name": text, "legal_address": ADDRESS, "contact": CONTACT},
    {"registration_number": any_text, "earliest_benefits_start_date": day(future=True), "metadata": metadata},
)


@lru_cache
def update_employer(country_code: str) -> Object:
    """A country never changes, so an address is sent, and judged, without one."""
    return Object(
        {},
        {
            "legal_name": text,
            "registration_number": any_text,
            "legal_address": _address_in(country_code),
            "contact": CONTACT,
            "earliest_benefits_start_date": day(),
            "metadata": metadata,
        },
    )


CREATE_EMPLOYEE = Object(
    {
        "employer_id": text,
        "first_name": text,
        "last_name": text,
        "date_of_birth": day(past=True, after_1900=True),
        "sex_at_birth": sex,
        "home_address": ADDRESS,
        "national_tax_id": text,
        "start_on": day(after_1900=True),
        "phone_number": phone,
        "email": email,
    },
    {
        "external_customer_id": any_text,
        "nationality": country,
        "earliest_benefits_start_date": day(),
        "bank_account": BANK_ACCOUNT,
        "metadata": metadata,
    },
)


@lru_cache
def update_employee(country_code: str) -> Object:
    return Object(
        {},
        {
            "first_name": text,
            "last_name": text,
            "home_address": _address_in(country_code),
            "nationality": country,
            "national_tax_id": text,
            "phone_number": phone,
            "email": email,
            "start_on": day(after_1900=True),
            "earliest_benefits_start_date": day(),
            "bank_account": BANK_ACCOUNT,
            "metadata": metadata,
        },
    )


OFFBOARD_EMPLOYEE = Object({"offboard_on": instant, "offboard_reason": text})
EMBED_SESSION = Object({"employer_id": text}, {"employee_id": text, "external_customer_id": text})
HOSTED_SESSION = Object({"employer_id": text, "employee_id": text})
