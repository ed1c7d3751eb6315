import socket

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.faults import concerns_one, is_database_lost


class DriverError(Exception):
    """What the driver raised, by its SQLSTATE."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__()
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    "sqlstate", ["08006", "40001", "40P01", "53300", "57014", "57P01", "57P03", "58030", "25006", "25P03", "55P03"]
)
def test_statement_that_fails_while_the_database_is_away_or_busy_may_succeed_later(sqlstate: str) -> None:
    assert is_database_lost(DBAPIError("SELECT", None, DriverError(sqlstate)))


@pytest.mark.parametrize("sqlstate", ["22021", "23505", "25P02", "42703", "42P01", "XX000", "", None])
def test_statement_that_the_database_refuses_is_refused_again(sqlstate: str | None) -> None:
    assert not is_database_lost(DBAPIError("SELECT", None, DriverError(sqlstate)))
    assert not is_database_lost(IntegrityError("SELECT", None, DriverError(sqlstate)))


def test_connection_that_ended_in_the_middle_is_lost() -> None:
    assert is_database_lost(DBAPIError("SELECT", None, DriverError(None), connection_invalidated=True))


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(), TimeoutError(), socket.gaierror(), OSError(), PoolTimeout()]
)
def test_connection_that_cannot_be_had_is_lost(error: Exception) -> None:
    assert is_database_lost(error)


@pytest.mark.parametrize("error", [ValueError(), LookupError(), ExceptionGroup("", [OSError()])])
def test_anything_else_is_a_fault_of_ours(error: Exception) -> None:
    assert not is_database_lost(error)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "57014", "22021", "23505", None])
def test_refusal_or_a_transaction_that_stood_in_the_way_says_nothing_of_the_next(sqlstate: str | None) -> None:
    assert concerns_one(DBAPIError("SELECT", None, DriverError(sqlstate)))


@pytest.mark.parametrize("sqlstate", ["08006", "53300", "57P01", "57P03", "58030", "25006", "25P03"])
def test_database_that_is_gone_is_gone_for_the_next_as_well(sqlstate: str) -> None:
    assert not concerns_one(DBAPIError("SELECT", None, DriverError(sqlstate)))


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), PoolTimeout()])
def test_connection_that_cannot_be_had_concerns_all(error: Exception) -> None:
    assert not concerns_one(error)
