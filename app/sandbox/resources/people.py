"""Dependants."""

from app.sandbox.resources.kind import Kind, Maker
from app.sandbox.store import Json


def _person(maker: Maker, given: Json) -> Json:
    employee = maker.employee(given)
    return {
        "platform_id": maker.world.settings.platform_id,
        "employee_id": employee.id,
        "first_name": "Robin",
        "last_name": employee.body["last_name"],
        "date_of_birth": "2015-06-30",
        "sex_at_birth": "male",
        "relationship_type": "child",
        "email": None,
        "phone_number": None,
        "object": "associated_person",
    }


ASSOCIATED_PERSON = Kind("associated_person", "ap", _person, {})
