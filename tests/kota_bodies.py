"""Bodies that Kota accepts, made up."""

from typing import Any

Body = dict[str, Any]


def employer_body(**changes: Any) -> Body:
    return {
        "legal_name": "Example Trading Ltd",
        "registration_number": "000000",
        "legal_address": {
            "line1": "1 Example Street",
            "city": "Dublin",
            "postal_code": "D02 X285",
            "country_code": "ie",
        },
        "contact": {"name": "Casey Contact", "email": "contact@example.com"},
        "metadata": {"id": "host-employer-1"},
        **changes,
    }


def employee_body(employer_id: str, **changes: Any) -> Body:
    return {
        "employer_id": employer_id,
        "first_name": "Test Mary",
        "last_name": "Example",
        "date_of_birth": "1990-04-01",
        "sex_at_birth": "female",
        "home_address": {
            "line1": "2 Example Street",
            "city": "Dublin",
            "postal_code": "D02 X285",
            "country_code": "ie",
        },
        "nationality": "ie",
        "national_tax_id": "0000000X",
        "start_on": "2024-03-01",
        "phone_number": "+353850000000",
        "email": "mary@example.com",
        "bank_account": {"account_number": "IE00TEST00000000000000"},
        "metadata": {"id": "host-employee-1"},
        **changes,
    }
