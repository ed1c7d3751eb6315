"""People who have left, and their erasure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from app.models import Employee
from app.privacy.erasure import erase_employee, erase_leavers
from tests.integration.stack import Stack

LONG_AGO = timedelta(days=181)


async def leave(stack: Stack, ref: str = "mary", **values: Any) -> None:
    """Kota has shown the person as inactive for longer than their data is kept."""
    gone = {"kota_status": "inactive", "kota_status_at": datetime.now(UTC) - LONG_AGO}
    async with stack.sessions.begin() as session:
        await session.execute(update(Employee).where(Employee.ref == ref).values(gone | values))


async def erase(stack: Stack, ref: str = "mary") -> None:
    async with stack.sessions.begin() as session:
        await erase_employee(session, ref, keyring=stack.keyring)


async def erase_all(stack: Stack) -> int:
    """As by the calendar."""
    return await erase_leavers(stack.sessions, after=timedelta(days=180), keyring=stack.keyring)
