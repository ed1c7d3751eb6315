"""What is sent to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


@contextmanager
def sent_values(engine: AsyncEngine) -> Iterator[list[object]]:
    """Every value that goes to the server as a parameter within the context."""
    sent: list[object] = []

    def note(_connection: object, _cursor: object, _statement: object, parameters: object, *_: object) -> None:
        assert isinstance(parameters, tuple)
        sent.extend(parameters)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


def points_in_time(values: list[object]) -> list[object]:
    return [value for value in values if isinstance(value, date | time)]
