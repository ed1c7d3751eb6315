"""Employers and employees as Kota returns them.

Kota normalises what it is sent, so none of this equals what was sent, and it is not to be compared with that.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from app.kota.schemas.base import KotaModel, Loose
from app.kota.times import Day

Identifier = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]


class RecordStatus(StrEnum):
    """The states that Kota documents for employers and employees. Others may come; compare, do not convert."""

    PENDING = "pending"
    ACTIVE = "active"
    OFFBOARDING = "offboarding"
    INACTIVE = "inactive"
    RESTRICTED = "restricted"


class Address(KotaModel):
    line1: Loose[str] = None
    line2: Loose[str] = None
    line3: Loose[str] = None
    city: Loose[str] = None
    state: Loose[str] = None
    postal_code: Loose[str] = None
    country_code: Loose[str] = None


class Contact(KotaModel):
    name: Loose[str] = None
    email: Loose[str] = None


class BankAccount(KotaModel):
    account_number_last4: Loose[str] = None


class Employer(KotaModel):
    """`offboard_on` is the calendar day in Kota's date-time. `metadata["id"]` is the host's own reference, if set."""

    id: Identifier
    status: Loose[str] = None
    platform_id: Loose[str] = None
    legal_name: Loose[str] = None
    registration_number: Loose[str] = None
    legal_address: Loose[Address] = None
    contact: Loose[Contact] = None
    earliest_benefits_start_date: Loose[Day] = None
    offboard_on: Loose[Day] = None
    metadata: Loose[dict[str, Any]] = None


class Employee(KotaModel):
    """`offboard_on` is the calendar day in Kota's date-time. `metadata["id"]` is the host's own reference, if set."""

    id: Identifier
    employer_id: Loose[str] = None
    external_customer_id: Loose[str] = None
    status: Loose[str] = None
    platform_id: Loose[str] = None
    first_name: Loose[str] = None
    last_name: Loose[str] = None
    date_of_birth: Loose[Day] = None
    sex_at_birth: Loose[str] = None
    home_address: Loose[Address] = None
    nationality: Loose[str] = None
    national_tax_id: Loose[str] = None
    start_on: Loose[Day] = None
    earliest_benefits_start_date: Loose[Day] = None
    phone_number: Loose[str] = None
    email: Loose[str] = None
    bank_account: Loose[BankAccount] = None
    offboard_on: Loose[Day] = None
    metadata: Loose[dict[str, Any]] = None
