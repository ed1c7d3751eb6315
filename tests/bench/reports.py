"""A large report: 50,000 lines from Kota to CSV, in time and memory, with sums that are exact to the last digit."""

import csv
import io
import random
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.bench.result import Result
from tests.processes import resident_mib
from tests.support.records import employee_record, employer_record
from tests.support.stack import Stack

EMPLOYEES, LINES_EACH = 500, 100
CURRENCIES = ("eur", "gbp", "usd")
WITHIN, MEMORY = 10.0, 150.0

Sums = dict[tuple[str, ...], Decimal]


def run(folder: Path) -> list[Result]:
    """Seconds of the export, and MiB of the API after it, beside what they may be."""
    sandbox = {"SANDBOX_KIND": "true", "SANDBOX_ACTIVATION_DELAY": "0"}
    with (
        Stack(folder, durable=True, log_level="info", sandbox=sandbox) as stack,
        httpx.Client(base_url=stack.api_urls[0], headers=stack.service_headers, timeout=60) as backend,
    ):
        report, expected = _fill(stack, backend)
        path = f"/internal/contribution-reports/{report}"
        backend.get(path).raise_for_status()
        started = time.perf_counter()
        answer = backend.get(f"{path}/breakdowns", headers={"Accept": "text/csv"})
        seconds = time.perf_counter() - started
        answer.raise_for_status()
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert len(rows) == EMPLOYEES * LINES_EACH, len(rows)
        assert _sums(rows) == expected, "the sums of the CSV are not the sandbox's"
        memory = resident_mib(stack.apis[0].pid)
    return [
        Result("reports: 50,000 lines as CSV", seconds, WITHIN, "s", "<=", 1.0),
        Result("reports: memory of the API", memory, MEMORY, "MiB", "<=", 1.0),
    ]


def _fill(stack: Stack, backend: httpx.Client) -> tuple[str, Sums]:
    """A report with lines of every kind; its id and what they add up to."""
    dice = random.Random(1)  # noqa: S311 - the same lines in every run
    backend.put("/internal/employers/payroll", json=employer_record()).raise_for_status()
    ids = []
    for number in range(EMPLOYEES):
        answer = backend.put(f"/internal/employees/p{number}", json=employee_record("payroll"))
        ids.append(answer.raise_for_status().json()["kota_id"])
    employer_id = backend.get("/internal/employers/payroll").json()["kota_id"]
    report = stack.control("POST", "seed", {"kind": "contribution_report", "object": {"employer_id": employer_id}})
    expected: Sums = defaultdict(Decimal)
    for number, employee_id in enumerate(ids):
        currency = CURRENCIES[number % len(CURRENCIES)]
        lines = {payer: [_line(dice) for _ in range(LINES_EACH // 2)] for payer in ("employer", "employee")}
        for payer, of_payer in lines.items():
            for line in of_payer:
                kind = (payer, line["category"], str(line["adjustment"]).lower(), currency)
                expected[kind] += Decimal(str(line["amount"]))
        content = {f"{payer}_contributions": of_payer for payer, of_payer in lines.items()}
        ids_of = {"contribution_report_id": report["id"], "employee_id": employee_id}
        body = ids_of | {"currency": currency, "health_insurance": content}
        stack.control("POST", "seed", {"kind": "employee_breakdown", "object": body})
    return report["id"], expected


def _line(dice: random.Random) -> dict[str, Any]:
    adjustment = dice.random() < 0.2
    month = {"from_date": "2026-03-01", "to_date": "2026-03-31"}
    return {
        "id": f"ct_{dice.getrandbits(128):032x}",
        "category": dice.choice(["gross_premium", "tax", "tax_relief"]),
        "member_type": dice.choice(["policyholder", "partner_dependant", "child_dependant"]),
        "amount": round(dice.uniform(-100 if adjustment else 0, 100), dice.choice([2, 3, 4])),
        "type": "one_off" if adjustment else "recurring",
        "adjustment": adjustment,
        "adjustment_for": f"ct_{dice.getrandbits(128):032x}" if adjustment else None,
        "note": "Pro-rated." if adjustment else None,
        "cover_period": month,
        "reporting_month": "2026-03-01",
        "policy_id": "p_1",
        "employee_policy_id": "eehp_1",
    }


def _sums(rows: list[dict[str, str]]) -> Sums:
    sums: Sums = defaultdict(Decimal)
    for row in rows:
        sums[row["payer"], row["category"], row["adjustment"], row["currency"]] += Decimal(row["amount"])
    return sums
