"""Telling a database that is away or busy from a statement that it refused.

The first passes, and whoever can wait tries again. The second is a fault of ours, and looks the same next time.
"""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

DATABASE_ERRORS = (OSError, DBAPIError, PoolTimeout)
"""Everything that a statement or a connection attempt fails with, for `except`; then ask `is_database_lost`."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING_CLASSES = {
    "08",  # Connection exceptions.
    "40",  # Rolled back for another transaction's sake: deadlocks.
    "53",  # Out of connections, memory or disk.
    "57",  # Operator intervention: restarts, and statements that took too long.
    "58",  # The machine's own errors.
}
_PASSING_STATES = {
    "25006",  # A standby, which a failover left us connected to.
    "25P03",  # Idle in a transaction for too long: this process was stopped or starved.
    "55P03",  # A lock was not to be had in time.
}

_IN_THE_WAY = {
    "40001",  # Another transaction changed the same rows.
    "40P01",  # A deadlock.
    "55P03",  # A lock was not to be had in time.
    "57014",  # The statement took too long, as one that waits does.
}


def is_database_lost(error: BaseException) -> bool:
    """Whether the database is out of reach, restarting, overloaded or busy, so that the same may succeed later."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, DATABASE_ERRORS)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state[:2] in _PASSING_CLASSES or state in _PASSING_STATES


def concerns_one(error: BaseException) -> bool:
    """Whether this transaction alone failed, refused or for another's sake, and the next may succeed at once."""
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    return state in _IN_THE_WAY or not is_database_lost(error)
