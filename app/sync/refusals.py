"""What a record may be refused with before Kota sees it, and Kota's own refusal."""

from app.errors import Conflict, InvalidInput, NotFound


class UnknownEmployer(InvalidInput):
    """The employer was never sent."""

    code = "unknown_employer"


class ImmutableField(InvalidInput):
    """Kota cannot change this field once it has the record."""

    code = "immutable_field"


class CannotClear(InvalidInput):
    """Kota cannot clear a field that was sent once."""

    code = "cannot_clear"


class RejectedByKota(InvalidInput):
    """Kota refused the record. It is kept; the next PUT tries again."""

    code = "rejected_by_kota"


class Offboarded(Conflict):
    """The record is being offboarded at Kota, or was. A sync never brings it back."""

    code = "offboarded"


class UseOffboarding(Conflict):
    """Kota has this record, or may have it. Offboard it instead."""

    code = "use_offboarding"


class HasEmployees(Conflict):
    """The employer still has employees here."""

    code = "has_employees"


class UnknownRecord(NotFound):
    """No record has this reference."""

    code = "unknown_ref"
