"""Engines and sessions. Made by the roots and handed down; nothing here is created at import."""

from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.encryption import Keyring, use_keyring

Sessions = async_sessionmaker[AsyncSession]
"""What a function takes that opens its own transactions; one that joins its caller's takes an `AsyncSession`."""

CONNECT_TIMEOUT = 10.0
STATEMENT_TIMEOUT = 30.0
# When even the server's own time-out does not arrive, the network is gone. The driver then stops waiting.
SILENCE_TIMEOUT = STATEMENT_TIMEOUT + 5

SERVER_SETTINGS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT:.0f}s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    # Idle connections stay alive through firewalls that forget them, and the locks of a lost client are soon free.
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # Statements meet few rows of many: compiling them costs more than it can win.
    "jit": "off",
}


def asyncpg_dsn(url: str) -> str:
    """`url` as asyncpg reads it, whatever spelling the platform hands out: `postgres://…`, `postgresql+asyncpg://…`.

    Parameters such as `sslmode` mean what they mean to libpq. Raises `sqlalchemy.exc.ArgumentError` for what is no URL.
    """
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def create_engine(
    url: str, *, keyring: Keyring, application_name: str, pool_size: int = 10, pooled: bool = False
) -> AsyncEngine:
    """An engine whose waits are all bounded: 10 s for a connection, 30 s for a statement, 10 s for a lock.

    `pooled` says that a transaction pooler stands in between: it hands each transaction to another server connection,
    so neither prepared statements nor settings of the connection survive. The server's time-outs then have to be
    settings of the role (`ALTER ROLE … SET statement_timeout = '30s'`); the driver's own still holds.
    """
    connect_args: dict[str, Any] = {
        "dsn": asyncpg_dsn(url),
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": SILENCE_TIMEOUT,
        "server_settings": {"application_name": application_name},
    }
    if pooled:
        # Without caches the driver prepares without names. A name would have to be closed on the server connection on
        # which it was made, and the driver closes one only later, when the pooler may have handed out another.
        connect_args |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    else:
        connect_args["server_settings"] |= SERVER_SETTINGS
    engine = create_async_engine(
        "postgresql+asyncpg://",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
        connect_args=connect_args,
    )
    event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    use_keyring(engine.dialect, keyring)
    return engine


def _replace_if_closed(connection: Any, _record: object, _proxy: object) -> None:
    """What `pool_pre_ping` is for, without its three round trips a transaction: the driver sees a socket close."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def create_plain_engine(url: str) -> AsyncEngine:
    """For migrations: no time-outs, no encryption, and no connection kept."""
    return create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, hide_parameters=True, connect_args={"dsn": asyncpg_dsn(url)}
    )


def create_sessions(engine: AsyncEngine) -> Sessions:
    """A factory whose sessions stay readable after a commit, and refuse any use after they were closed."""
    return async_sessionmaker(engine, expire_on_commit=False, close_resets_only=False)
