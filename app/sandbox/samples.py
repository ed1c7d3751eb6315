"""Made-up people, for events that need somebody."""

from app.sandbox.store import Json


def employer() -> Json:
    return {
        "legal_name": "Sandbox Sample Ltd",
        "legal_address": {
            "line1": "1 Sample Street",
            "city": "Dublin",
            "postal_code": "D02 X285",
            "country_code": "ie",
        },
        "contact": {"name": "Sam Sample", "email": "contact@example.com"},
    }


def employee(employer_id: str) -> Json:
    return {
        "employer_id": employer_id,
        "first_name": "Sample",
        "last_name": "Person",
        "date_of_birth": "1990-01-31",
        "sex_at_birth": "female",
        "home_address": {"line1": "2 Sample Street", "city": "Dublin", "postal_code": "D02 X285", "country_code": "ie"},
        "national_tax_id": "0000000X",
        "start_on": "2024-01-01",
        "phone_number": "+353850000000",
        "email": "sample@example.com",
    }
