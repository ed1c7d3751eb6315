"""The host's own people: a few employers and their employees, brought to Kota before the storm."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.records import employee_record, employer_record
from tests.support.stack import Stack

EMPLOYERS, EMPLOYEES = 4, 24


@dataclass(frozen=True, slots=True)
class People:
    """Their records as they were sent, by reference, and Kota's ids of them."""

    employers: dict[str, dict[str, Any]]
    employees: dict[str, dict[str, Any]]
    kota_ids: dict[str, str]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The records of one kind."""
        return self.employers if kind == "employer" else self.employees

    def ids(self, kind: str) -> list[str]:
        """Kota's ids of one kind."""
        return [self.kota_ids[ref] for ref in self.of(kind)]


def bring_people(stack: Stack) -> People:
    """PUT all of them, and wait until Kota has them."""
    employers = {f"acme{number}": employer_record(legal_name=f"Acme {number}") for number in range(EMPLOYERS)}
    employees = {
        f"e{number}": employee_record(
            f"acme{number % EMPLOYERS}",
            last_name=f"Example {number}",
            # Of some the employer-of-record's customer is known, of others not.
            **({"external_customer_id": f"customer{number % 3}"} if number % 2 else {}),
        )
        for number in range(EMPLOYEES)
    }
    ids = asyncio.run(_put(stack, "employers", employers)) | asyncio.run(_put(stack, "employees", employees))
    return People(employers, employees, ids)


async def _put(stack: Stack, kind: str, records: dict[str, dict[str, Any]]) -> dict[str, str]:
    async with httpx.AsyncClient(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=30) as http:

        async def put(ref: str, record: dict[str, Any]) -> str:
            answer = await http.put(f"/internal/{kind}/{ref}", json=record)
            while not answer.is_success or answer.json()["kota_id"] is None:
                assert answer.is_success, answer.text
                await asyncio.sleep(0.2)
                answer = await http.get(f"/internal/{kind}/{ref}")
            return str(answer.json()["kota_id"])

        return dict(zip(records, await asyncio.gather(*(put(*item) for item in records.items())), strict=True))


def some_of(people: People, *, kind: str, rng: random.Random) -> dict[str, str]:
    """Whose a new resource of the sandbox is to be: one of our people's, or nobody's that we know."""
    if rng.random() < 0.6:
        return {}
    owner = (
        "employer"
        if kind in {"quote", "group", "group_quote_intent", "group_policy", "contribution_report"}
        else ("employee")
    )
    return {f"{owner}_id": rng.choice(people.ids(owner))}
