"""Employers and employees as the host sends them: the whole record, in Kota's field names.

Only the form is checked here, so a record that was accepted once never fails for it. What Kota refuses is refused in
`app.sync.validation`, in changed fields only.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.config import JsonDict

from app.sync.fields import OUR_KEY
from app.web.refs import Ref

# PostgreSQL's text and most systems behind Kota cannot hold a NUL.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=10_000)]
DateText = Annotated[str, StringConstraints(max_length=32), Field(json_schema_extra={"format": "date"})]
CountryText = Annotated[str, StringConstraints(max_length=8), Field(description="ISO 3166-1 alpha-2, any case, or xk")]

EMPLOYER_EXAMPLE: JsonDict = {
    "legal_name": "Acme Ireland Ltd",
    "registration_number": "123456",
    "legal_address": {
        "line1": "1 Example Street",
        "city": "Dublin",
        "postal_code": "D02 X285",
        "country_code": "ie",
    },
    "contact": {"name": "Benefits Team", "email": "benefits@acme.example"},
}
"""Of `acme-ie`, as all examples call it."""
EMPLOYEE_EXAMPLE: JsonDict = {
    "employer_ref": "acme-ie",
    "first_name": "Sam",
    "last_name": "Example",
    "date_of_birth": "1990-01-31",
    "sex_at_birth": "female",
    "home_address": {
        "line1": "2 Example Road",
        "city": "Dublin",
        "postal_code": "D04 X285",
        "country_code": "ie",
    },
    "national_tax_id": "1234567T",
    "start_on": "2024-01-01",
    "phone_number": "+353850000000",
    "email": "sam@acme.example",
}
"""Of `emp-42`."""


class Input(BaseModel):
    """A part of a record. Unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Address(Input):
    """A postal address; Kota normalises its text."""

    line1: Text
    line2: Text | None = None
    line3: Text | None = None
    city: Text
    state: Text | None = Field(default=None, description="Required for US and CA")
    postal_code: Text
    country_code: CountryText


class Contact(Input):
    """Whom Kota writes to."""

    name: Text
    email: Text


class BankAccount(Input):
    """Where refunds go."""

    account_number: Text = Field(description="IBAN")


Metadata = Annotated[
    dict[Text, Text | None],
    Field(description=f"At most 24 keys of 40 characters; `{OUR_KEY}` is set by this service", max_length=1000),
]


class RecordIn(Input):
    """What both kinds share."""

    metadata: Metadata | None = None
    earliest_benefits_start_date: DateText | None = None

    @field_validator("metadata")
    @classmethod
    def _our_key_is_ours(cls, metadata: dict[str, str | None] | None) -> dict[str, str | None] | None:
        if metadata and OUR_KEY in metadata:
            raise ValueError(f"{OUR_KEY} is set by this service")
        return metadata


class EmployerIn(RecordIn):
    """One legal entity in one country."""

    model_config = ConfigDict(json_schema_extra={"examples": [EMPLOYER_EXAMPLE]})

    legal_name: Text
    registration_number: Text | None = None
    legal_address: Address
    contact: Contact


class EmployeeIn(RecordIn):
    """One person, employed by one employer."""

    model_config = ConfigDict(json_schema_extra={"examples": [EMPLOYEE_EXAMPLE]})

    employer_ref: Ref
    external_customer_id: Annotated[Text, Field(max_length=255)] | None = None
    first_name: Text
    last_name: Text
    date_of_birth: DateText
    sex_at_birth: Literal["male", "female"]
    home_address: Address
    nationality: CountryText | None = None
    national_tax_id: Text
    start_on: DateText
    phone_number: Text
    email: Text
    bank_account: BankAccount | None = None
