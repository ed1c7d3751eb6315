"""What records say is encrypted, and one of them may be under a key that is gone. It must not take others along."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import structlog
from sqlalchemy import ARRAY, Select, Text, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.interfaces import ORMOption

from app.db.base import table_of
from app.db.encryption import Undecryptable
from app.sync.kinds import Kind, Record

log = structlog.get_logger(__name__)

_TEXTS = ("desired", "synced", "push_body")


def unread(kind: Kind, *, errors: bool = False) -> list[ORMOption]:
    """Options with which rows are loaded without what is encrypted; with `errors`, what Kota refused is."""
    names = _TEXTS if errors else (*_TEXTS, "error_fields")
    return [defer(getattr(kind.model, name), raiseload=True) for name in names]


async def read_texts(session: AsyncSession, kind: Kind, records: Sequence[Record]) -> frozenset[str]:
    """Read what these rows say, which were loaded without; returns the references of those that no key opens."""
    if not records:
        return frozenset()
    by_ref = {record.ref: record for record in records}
    read = await _readable(session, kind, list(by_ref), _TEXTS)
    for ref, texts in read.items():
        for name, text in zip(_TEXTS, texts, strict=True):
            set_committed_value(by_ref[ref], name, text)
    lost = frozenset(by_ref.keys() - read.keys())
    for ref in sorted(lost):
        log.error("sync.record.undecryptable", kind=kind.name.value, ref=ref)
    return lost


async def error_fields_of(session: AsyncSession, kind: Kind, refs: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """What Kota refused of these records, where it refused something and a key opens it."""
    read = await _readable(session, kind, refs, ("error_fields",)) if refs else {}
    return {ref: faults for ref, (faults,) in read.items() if faults}


async def _readable(
    session: AsyncSession, kind: Kind, refs: Sequence[str], names: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    try:
        return await _read(session, kind, refs, names)
    except Undecryptable:
        if len(refs) == 1:
            return {}
    # One of them is at fault, and only that one may fail.
    found: dict[str, tuple[Any, ...]] = {}
    for ref in refs:
        found |= await _readable(session, kind, [ref], names)
    return found


async def _read(
    session: AsyncSession, kind: Kind, refs: Sequence[str], names: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    rows = await session.execute(_texts(kind, tuple(names)), {"refs": list(refs)})
    return {ref: tuple(texts) for ref, *texts in rows}


@cache
def _texts(kind: Kind, names: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    row = table_of(kind.model).c
    # One array parameter: a list of any length then compiles once and is prepared once.
    among = row.ref == any_(bindparam("refs", type_=ARRAY(Text)))
    return select(row.ref, *(row[name] for name in names)).where(among)
