"""The lines of a reading: Kota's breakdowns as rows, and the digest that stands for all of them."""

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.contributions.reports import BREAKDOWNS, Held
from app.db.copying import copy_rows
from app.db.encryption import Keyring
from app.kota import ContributionLine as KotaLine
from app.kota import EmployeeBreakdown, KotaUnreadable
from app.models import ContributionLine

Row = dict[str, Any]
COLUMNS = tuple(column.name for column in ContributionLine.__table__.columns)
_DIGITS = 50
"""More than an amount has on either side of the point; far beyond them neither digest nor database can take it."""


def rows_of(breakdown: EmployeeBreakdown) -> list[Row]:
    """What one employee's lines say.

    Raises:
        KotaUnreadable: if two of them are one line, or one holds what cannot be stored.
    """
    health = breakdown.health_insurance
    if health is None:
        return []
    payers = {"employer": health.employer_contributions, "employee": health.employee_contributions}
    rows = [_row(breakdown, payer, line) for payer, lines in payers.items() for line in lines]
    if len({(row["payer"], row["id"]) for row in rows}) < len(rows):
        raise KotaUnreadable(BREAKDOWNS, "the same line twice")
    if not all(_can_be_stored(row) for row in rows):
        raise KotaUnreadable(BREAKDOWNS, "a line that cannot be stored")
    return rows


def _can_be_stored(row: Row) -> bool:
    # A note is stored as bytes, which NUL may be among.
    text = "".join(value for name, value in row.items() if isinstance(value, str) and name != "note")
    return text == _whole(text) and "\x00" not in text and _is_sensible(row["amount"])


def _whole(text: str) -> str:
    """JSON can spell half a surrogate pair, which is no character: it becomes a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _is_sensible(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent > -_DIGITS and amount.adjusted() < _DIGITS


async def copy_lines(session: AsyncSession, keyring: Keyring, held: Held, rows: Sequence[Row]) -> None:
    """COPY, since a report has tens of thousands of lines, and an INSERT of each costs ten times as much."""
    own = {"report_id": held.report_id, "reading": held.reading}
    notes = (None if row["note"] is None else keyring.encrypt(row["note"].encode()) for row in rows)
    records = [
        tuple((row | own | {"note": note})[name] for name in COLUMNS) for row, note in zip(rows, notes, strict=True)
    ]
    await copy_rows(session, ContributionLine.__tablename__, columns=COLUMNS, rows=records)


def digest_of(line_digests: Sequence[bytes]) -> bytes:
    """One digest of all lines. Sorted first, since Kota promises no order of employees or lines."""
    return hashlib.sha256(b"".join(sorted(line_digests))).digest()


def line_digest(row: Row) -> bytes:
    """The digest of one line."""
    return hashlib.sha256(
        json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True).encode()
    ).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        # 1.5 and 1.50 are the same amount.
        return f"{value.normalize():f}"
    return value if value is None or isinstance(value, bool | str) else str(value)


def _row(breakdown: EmployeeBreakdown, payer: str, line: KotaLine) -> Row:
    return {
        "kota_employee_id": breakdown.employee_id,
        "payer": payer,
        "id": line.id,
        "category": line.category,
        "member_type": line.member_type,
        "type": line.type,
        "amount": line.amount,
        # Kota writes most currencies in lower case, some not (Kota's OpenAPI).
        "currency": breakdown.currency.lower(),
        "adjustment": line.adjustment,
        "adjustment_for": line.adjustment_for,
        "cover_from": line.cover_period.from_date,
        "cover_to": line.cover_period.to_date,
        "reporting_month": line.reporting_month,
        "policy_id": line.policy_id,
        "note": None if line.note is None else _whole(line.note),
    }
