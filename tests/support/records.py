"""Records as a host sends them: Kota's field names, and the host's own references."""

from typing import Any

from tests.kota_bodies import employee_body, employer_body


def employer_record(**changes: Any) -> dict[str, Any]:
    """A whole employer, as `PUT /internal/employers/{ref}` takes it."""
    return _of_host(employer_body()) | changes


def employee_record(employer_ref: str, **changes: Any) -> dict[str, Any]:
    """A whole employee of that employer, as `PUT /internal/employees/{ref}` takes it."""
    record = _of_host(employee_body("unknown")) | {"employer_ref": employer_ref}
    del record["employer_id"]
    return record | changes


def _of_host(body: dict[str, Any]) -> dict[str, Any]:
    # metadata.id is set by us.
    return {name: value for name, value in body.items() if name != "metadata"}
