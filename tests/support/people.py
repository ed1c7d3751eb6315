"""Made-up people whose every value can be told from anything else that a program writes."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.kota_bodies import employee_body, employer_body


@dataclass
class Known:
    """Every value that must stay where it belongs."""

    values: set[str] = field(default_factory=set)

    def employer(self, mark: str) -> dict[str, Any]:
        """An employer record, distinct by `mark`."""
        record = _host_record(
            employer_body(
                legal_name=f"Wundertüte {mark} Holdings",
                registration_number=f"RG-{mark}-90210",
                contact={"name": f"Perpetua Quizzical {mark}", "email": f"perpetua.{mark}@benefits.example"},
            )
        )
        record["legal_address"] |= {"line1": f"88 Flibbertigibbet Row {mark}", "city": f"Ballyquux {mark}"}
        self.values |= texts_of(record)
        return record

    def employee(self, employer_ref: str, mark: str, **changes: Any) -> dict[str, Any]:
        """An employee record, distinct by `mark`."""
        digits = f"{sum(mark.encode()) % 900 + 100}"
        record = _host_record(
            employee_body(
                "unknown",
                first_name=f"Zebulina {mark}",
                last_name=f"O'Ångström-{mark}",
                date_of_birth=f"19{digits[:2]}-07-1{digits[2]}",
                national_tax_id=f"TX{mark}{digits}Q",
                phone_number=f"+35385{digits}7731",
                email=f"zebulina.{mark}+pay@example.com",
                bank_account={"account_number": f"IE29ZZZZ9311529{digits}{digits}9"},
                metadata={"cost_centre": f"Sekret/{mark} centre"},
            )
        )
        del record["employer_id"]
        record["home_address"] |= {"line1": f"7 Gobbledygook Lane {mark}", "city": f"Knockabout {mark}"}
        record |= {"employer_ref": employer_ref, **changes}
        self.values |= texts_of({name: value for name, value in record.items() if name != "employer_ref"})
        return record

    def text(self, value: str) -> str:
        """`value`, which from now on is known."""
        self.values.add(value)
        return value


def texts_of(value: Any) -> set[str]:
    """All texts in a JSON value but those that anybody may read, or that say nothing by themselves."""
    if isinstance(value, dict):
        return {text for inner in value.values() for text in texts_of(inner)}
    return {value} if isinstance(value, str) and value not in PLAIN else set()


PLAIN = {"ie", "female", "male", "2024-03-01", "D02 X285"}


def _host_record(body: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(json.dumps(body))
    record.get("metadata", {}).pop("id", None)
    return record
