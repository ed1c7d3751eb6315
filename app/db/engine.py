"""Engines and sessions. Made by the roots and handed down; nothing here is created at import."""

from typing import Any
from uuid import uuid4

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.db.encryption import Keyring, use_keyring

Sessions = async_sessionmaker[AsyncSession]
"""What a function takes that opens its own transactions; one that joins its caller's takes an `AsyncSession`."""


SERVER_SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    # Statements meet few rows of many: compiling them costs more than it can win.
    "jit": "off",
}


def asyncpg_url(url: str) -> URL:
    """`url` for the one driver that the project uses, whatever spelling the platform hands out.

    `postgres://…` becomes SQLAlchemy's name for asyncpg, and libpq's `sslmode` becomes asyncpg's `ssl`, which takes
    the same words. Raises `sqlalchemy.exc.ArgumentError` for what is no URL.
    """
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    mode = parsed.query.get("sslmode")
    return parsed if mode is None else parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def create_engine(
    url: str, *, keyring: Keyring, application_name: str, pool_size: int = 10, pooled: bool = False
) -> AsyncEngine:
    """An engine whose waits are all bounded: 10 s for a connection, 30 s for a statement, 10 s for a lock.

    `pooled` says that a transaction pooler stands in between: it hands each transaction to another server connection,
    so neither prepared statements nor settings of the connection survive.
    """
    connect_args: dict[str, Any] = {"timeout": 10}
    if pooled:
        connect_args |= {"statement_cache_size": 0, "prepared_statement_name_func": lambda: f"__{uuid4()}__"}
    else:
        connect_args["server_settings"] = {"application_name": application_name, **SERVER_SETTINGS}
    engine = create_async_engine(
        asyncpg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=connect_args,
    )
    use_keyring(engine.dialect, keyring)
    return engine


def create_sessions(engine: AsyncEngine) -> Sessions:
    """A factory whose sessions stay readable after a commit, and refuse any use after they were closed."""
    return async_sessionmaker(engine, expire_on_commit=False, close_resets_only=False)
