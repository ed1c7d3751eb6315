"""Whom the demo can be opened as. All of them are made up, and so are their companies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Company:
    ref: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """`ref` is what Acme HR calls them. A `new` one is sent to Kota when HR says so, the others at first use."""

    ref: str
    company: Company
    first_name: str
    last_name: str
    job: str
    audiences: tuple[str, ...] = ("employee",)
    new: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


JUNIPER = Company("demo-juniper", "Juniper Coffee")
HARBOUR = Company("demo-harbour", "Harbour Books")
COMPANIES = (JUNIPER, HARBOUR)


def _people() -> tuple[Person, ...]:
    # Kota keeps somebody pending until their benefits may start.
    later = {"earliest_benefits_start_date": f"{date.today().year + 1}-12-31"}  # noqa: DTZ011 - a year will do
    return (
        Person("demo-nora", JUNIPER, "Nora", "Quill", "Head of people", audiences=("employer", "employee")),
        Person("demo-tom", JUNIPER, "Tom", "Abara", "Barista"),
        Person("demo-lena", JUNIPER, "Lena", "Fisk", "Roaster, benefits start next year", fields=later),
        Person("demo-sam", JUNIPER, "Sam", "Okoro", "Hired today, not at Kota yet", new=True),
        Person("demo-ivo", HARBOUR, "Ivo", "Brandt", "Office manager", audiences=("employer", "employee")),
    )


PEOPLE: Mapping[str, Person] = {person.ref: person for person in _people()}


def company_record(company: Company) -> dict[str, Any]:
    """The body of `PUT /internal/employers/{ref}`."""
    return {
        "legal_name": f"{company.name} Ltd",
        "legal_address": _address("1 Example Quay"),
        "contact": {"name": "Casey Contact", "email": f"people@{company.ref}.example.com"},
    }


def person_record(person: Person) -> dict[str, Any]:
    """The body of `PUT /internal/employees/{ref}`."""
    return {
        "employer_ref": person.company.ref,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "date_of_birth": "1990-01-01",
        "sex_at_birth": "female",
        "home_address": _address("2 Example Street"),
        "national_tax_id": "1234567T",
        "start_on": "2025-01-01",
        "phone_number": "+353851234567",
        "email": f"{person.ref}@example.com",
        **person.fields,
    }


def _address(line1: str) -> dict[str, str]:
    return {"line1": line1, "city": "Dublin", "postal_code": "D02 X285", "country_code": "IE"}
