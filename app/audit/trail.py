"""The audit trail: one row for every change that a backend of the host, or a person at a terminal, asked for."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.service_keys import ServiceCaller
from app.models import AuditEntry

Note = Callable[[AsyncSession], Awaitable[None]]
"""Writes down what is about to be done, in the transaction in which it is done."""


async def record(session: AsyncSession, caller: ServiceCaller, *, action: str, subject: str, request_id: str) -> None:
    """Write down who did what, in the caller's transaction: no change is kept without it, and it without no change.

    Every mutating route under `/internal` calls this once. `action` is `noun.verb` (`employee.put`, `event.replay`),
    `subject` is `kind:ref` (`employee:emp-42`). Neither may hold personal data.

    A route that calls Kota has no transaction around the call. It records before the call, in a transaction of its
    own: an attempt whose outcome stays unknown must be on the trail as well.
    """
    await _insert(session, actor=caller.name, action=action, subject=subject, request_id=request_id)


def note(caller: ServiceCaller, *, action: str, subject: str, request_id: str) -> Note:
    """`record`, to be handed to a function that opens its own transactions."""

    async def write(session: AsyncSession) -> None:
        await record(session, caller, action=action, subject=subject, request_id=request_id)

    return write


async def record_command(session: AsyncSession, *, action: str, subject: str) -> None:
    """The same for a command: its actor is `cli`, whoever may run one beside the database is no caller of ours."""
    await _insert(session, actor="cli", action=action, subject=subject, request_id=f"cli-{uuid4().hex}")


async def _insert(session: AsyncSession, **values: str) -> None:
    await session.execute(insert(AuditEntry).values(**values))
