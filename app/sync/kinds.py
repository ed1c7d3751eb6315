"""The two kinds of records, and how Kota treats their fields."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.models import Employee, Employer

Record = Employer | Employee

LEAVING = frozenset({"offboarding", "inactive"})
"""Kota's states of a record that a sync must leave alone: a nightly feed must not re-hire a leaver."""
OFFBOARDED = "offboarded"
"""With this a record is rejected that Kota shows in such a state."""


def is_leaving(*, kota_status: str | None, error_code: str | None) -> bool:
    """Whether a sync must leave the record alone. Its state at Kota is read some time after it was bound; until then
    the rejection says what Kota showed."""
    return kota_status in LEAVING or (kota_status is None and error_code == OFFBOARDED)


class KindName(StrEnum):
    """What a record is. Also the kind of its resource among those that events mark dirty."""

    EMPLOYER = "employer"
    EMPLOYEE = "employee"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of record is stored, pushed and compared. Fields are Kota's top-level names."""

    name: KindName
    model: type[Any] = field(repr=False)
    """`Employer` or `Employee`. Typed as neither, since statements are built alike for both."""
    lane: str
    """Of its pushes; also the channel that rings when one is due."""
    address: str
    """Its field with a postal address, of which the country cannot change (Kota's OpenAPI)."""
    immutable: frozenset[str]
    """Fields that Kota takes at creation only (Kota's OpenAPI: absent from the update request)."""
    as_stored: frozenset[str]
    """Fields that Kota returns as they were sent. All others are normalised, and say nothing when they differ."""

    @property
    def has_employer(self) -> bool:
        return self.name is KindName.EMPLOYEE


EMPLOYERS = Kind(
    name=KindName.EMPLOYER,
    model=Employer,
    lane="sync_employers",
    address="legal_address",
    immutable=frozenset(),
    as_stored=frozenset({"earliest_benefits_start_date"}),
)
EMPLOYEES = Kind(
    name=KindName.EMPLOYEE,
    model=Employee,
    lane="sync_employees",
    address="home_address",
    immutable=frozenset({"date_of_birth", "sex_at_birth", "external_customer_id"}),
    as_stored=frozenset(
        {"date_of_birth", "sex_at_birth", "external_customer_id", "start_on", "earliest_benefits_start_date"}
    ),
)
KINDS = {kind.name: kind for kind in (EMPLOYERS, EMPLOYEES)}

Fields = dict[str, Any]
"""A record in Kota's field names, without nulls: a field that is not there is not set."""


def settled_name(kind: Kind, ref: str) -> str:
    """What rings when a push of this record has ended."""
    return f"sync_settled {kind.name.value} {ref}"
