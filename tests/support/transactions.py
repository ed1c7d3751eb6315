"""Fails a test whose code calls Kota, or waits for anybody else, while it has a database transaction open.

Such a call holds a connection, and often locks, for as long as the other side pleases.

    transport = OutsideTransactions(sandbox_transport)
    client = httpx.AsyncClient(transport=transport)

A transaction is one that an `AsyncSession` began in the calling task, or in the one that started it; savepoints and
the outer transaction of a test that rolls everything back do not count.
"""

from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import httpx
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

_begun: ContextVar[tuple[SessionTransaction, ...]] = ContextVar("begun", default=())
_open: WeakSet[SessionTransaction] = WeakSet()


class CalledInsideTransaction(AssertionError):
    """A request was sent while a transaction was open."""


class OutsideTransactions(httpx.AsyncBaseTransport):
    """Passes requests on to `inner`, but none from within a transaction."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.refused: list[str] = []
        """What was refused, for tests of code that catches every exception."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if in_transaction():
            self.refused.append(f"{request.method} {request.url.path}")
            raise CalledInsideTransaction(f"{self.refused[-1]} was called inside a transaction")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def in_transaction() -> bool:
    """Whether the running task, or one that it descends from, has a transaction open."""
    return any(transaction in _open for transaction in _begun.get())


@event.listens_for(Session, "after_transaction_create")
def _created(_session: Any, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        _open.add(transaction)
        _begun.set((*(earlier for earlier in _begun.get() if earlier in _open), transaction))


@event.listens_for(Session, "after_transaction_end")
def _ended(_session: Any, transaction: SessionTransaction) -> None:
    _open.discard(transaction)
