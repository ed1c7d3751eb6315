"""One statement that stores any number of events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.encryption import Undecryptable

STORED = "kota_events"
"""The bell that rings when events were stored."""

# - One array a column, whatever the number of rows: nothing to compile, one round trip, and one commit.
# - In the order of the key, since batches of two processes may overlap, and would deadlock in any other.
# - Only a row that was not there before has no `xmax`: https://www.postgresql.org/docs/current/ddl-system-columns.html
_INSERT = """
    INSERT INTO kota_events AS stored (id, type, version, body, deliveries)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::integer[]) ORDER BY 1
"""
# A delivery of a dead event brings it back to life: it comes because somebody asked Kota for it. The stored body stays,
# unless nobody can read it: what was erased must not come back.
_DELIVERED = (
    _INSERT
    + f"""
    ON CONFLICT (id) DO UPDATE SET
        deliveries = stored.deliveries + excluded.deliveries,
        state = CASE WHEN stored.state = 'dead' THEN 'pending' ELSE stored.state END,
        attempts = CASE WHEN stored.state = 'dead' THEN 0 ELSE stored.attempts END,
        resource_seq = CASE WHEN stored.state = 'dead' THEN NULL ELSE stored.resource_seq END,
        body = CASE WHEN stored.error_code = '{Undecryptable.code}' THEN excluded.body ELSE stored.body END
    RETURNING id, xmax = 0 AS is_new
    """
)
_FOUND = _INSERT + "ON CONFLICT (id) DO NOTHING RETURNING id, true AS is_new"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it was delivered or found. `body` is encrypted already."""

    id: str
    type: str
    version: str
    body: bytes


async def store_delivered(connection: AsyncConnection, events: Sequence[NewEvent]) -> set[str]:
    """Store deliveries and commit them at once; returns the ids that were not known before.

    Of several with one id the first is stored, and all are counted. `connection` is in autocommit.
    """
    firsts = {event.id: event for event in reversed(events)}
    counted = Counter(event.id for event in events)
    return await _store(connection, _DELIVERED, list(firsts.values()), deliveries=[counted[id_] for id_ in firsts])


async def store_found(engine: AsyncEngine, events: Sequence[NewEvent]) -> set[str]:
    """Store events that were found and not delivered; those that are known already stay as they are."""
    async with engine.begin() as connection:
        return await _store(connection, _FOUND, events, deliveries=[0] * len(events))


async def _store(
    connection: AsyncConnection, statement: str, events: Sequence[NewEvent], *, deliveries: list[int]
) -> set[str]:
    columns = (
        [event.id for event in events],
        [event.type for event in events],
        [event.version for event in events],
        [event.body for event in events],
        deliveries,
    )
    # In the driver's own words: there is nothing to compile, and that is half of what a group costs.
    stored = await connection.exec_driver_sql(statement, columns)
    return {row.id for row in stored if row.is_new}
