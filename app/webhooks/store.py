"""One statement that stores any number of events."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

STORED = "kota_events"
"""The bell that rings when events were stored."""

# - One parameter, whatever the number of rows: nothing to compile, one round trip, and one commit.
# - In the order of the key, since batches of two processes may overlap, and would deadlock in any other.
# - Only a row that was not there before has no `xmax`: https://www.postgresql.org/docs/current/ddl-system-columns.html
_INSERT = """
    INSERT INTO kota_events AS stored (id, type, version, body, deliveries)
    SELECT id, type, version, decode(body, 'base64'), deliveries
    FROM jsonb_to_recordset(CAST(:events AS jsonb))
        AS given(id text, type text, version text, body text, deliveries integer)
    ORDER BY id
"""
# A delivery of a dead event brings it back to life: it comes because somebody asked Kota for it.
_DELIVERED = text(
    _INSERT
    + """
    ON CONFLICT (id) DO UPDATE SET
        deliveries = stored.deliveries + excluded.deliveries,
        state = CASE WHEN stored.state = 'dead' THEN 'pending' ELSE stored.state END,
        attempts = CASE WHEN stored.state = 'dead' THEN 0 ELSE stored.attempts END,
        resource_id = CASE WHEN stored.state = 'dead' THEN NULL ELSE stored.resource_id END
    RETURNING id, xmax = 0 AS is_new
    """
)
_FOUND = text(_INSERT + "ON CONFLICT (id) DO NOTHING RETURNING id, true AS is_new")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it was delivered or found. `body` is encrypted already."""

    id: str
    type: str
    version: str
    body: bytes


async def store_delivered(engine: AsyncEngine, events: Sequence[NewEvent]) -> set[str]:
    """Store deliveries in a transaction of their own; returns the ids that were not known before.

    Of several with one id the first is stored, and all are counted.
    """
    rows: dict[str, dict[str, Any]] = {}
    for event in events:
        rows.setdefault(event.id, _row(event, deliveries=0))["deliveries"] += 1
    return await _store(engine, _DELIVERED, list(rows.values()))


async def store_found(engine: AsyncEngine, events: Sequence[NewEvent]) -> set[str]:
    """Store events that were found and not delivered; those that are known already stay as they are."""
    return await _store(engine, _FOUND, [_row(event, deliveries=0) for event in events])


def _row(event: NewEvent, *, deliveries: int) -> dict[str, Any]:
    body = b64encode(event.body).decode()
    return {"id": event.id, "type": event.type, "version": event.version, "body": body, "deliveries": deliveries}


async def _store(engine: AsyncEngine, statement: TextClause, rows: list[dict[str, Any]]) -> set[str]:
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        stored = await autocommit.execute(statement, {"events": json.dumps(rows)})
        return {id_ for id_, is_new in stored if is_new}
