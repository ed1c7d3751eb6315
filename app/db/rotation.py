"""Bring every encrypted value under the newest key, while everything runs.

A value names its key in its first bytes, so what is left to do is a query and not a memory: a run that was killed is
started again and goes on, and a run that finds nothing under another key is the proof that it is done.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    and_,
    func,
    literal,
    select,
    true,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import Base
from app.db.encryption import KEY_ID_BYTES, EncryptedBytes, EncryptedJSON, EncryptedText, Keyring
from app.db.engine import Sessions

ENCRYPTED_TYPES = (EncryptedBytes, EncryptedJSON, EncryptedText)
ENCRYPTED_ELSEWHERE = {"encrypted": True}
"""The `info` of a column of plain bytes that are encrypted before they get to it."""
BATCH = 200
PASSES = 3


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of one column."""

    column: str
    rotated: int
    left: int
    """Values under an older key, written meanwhile by a process that still encrypts with it."""


def encrypted_columns() -> list[Column[Any]]:
    """All of them, by table and name."""
    return [
        column
        for table in sorted(Base.metadata.tables.values(), key=lambda table: table.name)
        for column in table.columns
        if isinstance(column.type, ENCRYPTED_TYPES) or column.info == ENCRYPTED_ELSEWHERE
    ]


class NoTables(Exception):
    """The caller has not imported the models: nothing would be rotated, and it would look as if all were done."""


async def rotate(sessions: Sessions, keyring: Keyring) -> list[Rotation]:
    """Re-encrypt what is under an older key. Raises Undecryptable if a value's key is not configured, and NoTables.

    Writers are not held up: a batch locks its rows for some milliseconds, and a value that changed meanwhile is left
    to whoever changed it.
    """
    done = []
    columns = encrypted_columns()
    if not columns:
        raise NoTables
    for column in columns:
        name = f"{column.table.name}.{column.name}"
        rotated, left = 0, 1
        for _ in range(PASSES):
            rotated += await _pass(sessions, column, keyring)
            left = await _left(sessions, column, keyring)
            if not left:
                break
        done.append(Rotation(name, rotated, left))
    return done


async def _pass(sessions: Sessions, column: Column[Any], keyring: Keyring) -> int:
    key = list(column.table.primary_key.columns)
    old = select(*key, type_coerce(column, LargeBinary)).where(_is_old(column, keyring)).with_for_update(key_share=True)
    rotated = 0
    async for window in _windows(sessions, key):
        async with sessions.begin() as session:
            rows = (await session.execute(old.where(window))).all()
            for row in rows:
                await _rewrite(session, column, tuple(row[:-1]), keyring.encrypt(keyring.decrypt(row[-1])))
        rotated += len(rows)
    return rotated


async def _windows(sessions: Sessions, key: Sequence[Column[Any]]) -> AsyncIterator[ColumnElement[bool]]:
    """A table in pieces of `BATCH` rows by its key, so that no statement looks at more, however many are done."""
    rest: ColumnElement[bool] = true()
    while True:
        end = select(*key).where(rest).order_by(*key).offset(BATCH - 1).limit(1)
        async with sessions() as session:
            last = (await session.execute(end)).one_or_none()
        if last is None:
            yield rest
            return
        bound = tuple_(*(literal(value, part.type) for value, part in zip(last, key, strict=True)))
        yield and_(rest, tuple_(*key) <= bound)
        rest = tuple_(*key) > bound


async def _rewrite(session: AsyncSession, column: Column[Any], key: tuple[Any, ...], value: bytes) -> None:
    table = column.table
    matches = [part == found for part, found in zip(table.primary_key.columns, key, strict=True)]
    await session.execute(update(table).where(*matches).values({column: literal(value, LargeBinary)}))


async def _left(sessions: Sessions, column: Column[Any], keyring: Keyring) -> int:
    counted = select(func.count()).select_from(column.table).where(_is_old(column, keyring))
    left = 0
    async for window in _windows(sessions, list(column.table.primary_key.columns)):
        async with sessions() as session:
            left += (await session.execute(counted.where(window))).scalar_one()
    return left


def _is_old(column: Column[Any], keyring: Keyring) -> ColumnElement[bool]:
    stored = type_coerce(column, LargeBinary)
    return column.is_not(None) & (func.substr(stored, 1, KEY_ID_BYTES) != literal(keyring.current_id, LargeBinary))
