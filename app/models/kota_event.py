"""The inbox: every event that Kota delivered, or that was found in its list afterwards."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CTE, ColumnElement, Index, LargeBinary, and_, func, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, table_of


class EventState(StrEnum):
    """What has become of an event."""

    PENDING = "pending"
    PROCESSED = "processed"
    IGNORED = "ignored"
    DEAD = "dead"


class KotaEvent(Base):
    """One event by Kota's id. Its primary key is the deduplication."""

    __tablename__ = "kota_events"
    __table_args__ = (
        Index(
            "ix_kota_events_unrouted",
            "received_at",
            postgresql_where=text("state = 'pending' AND (resource_id IS NULL OR resource_seq IS NULL)"),
        ),
        Index("ix_kota_events_open", "resource_kind", "resource_id", postgresql_where=text("state = 'pending'")),
        Index(None, "received_at", "id"),
        # Few of many: they are looked for when something is wrong already.
        Index("ix_kota_events_dead", "received_at", "id", postgresql_where=text("state = 'dead'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    version: Mapped[str]
    """`v1` or `v2`."""
    body: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": True})
    """The delivered bytes, encrypted where they are received. Never read for state: a webhook is a doorbell."""
    state: Mapped[EventState] = mapped_column(default=EventState.PENDING, server_default=EventState.PENDING.value)
    deliveries: Mapped[int] = mapped_column(default=1, server_default="1")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    resource_kind: Mapped[str | None]
    resource_id: Mapped[str | None]
    resource_seq: Mapped[int | None]
    """The `dirty_seq` that this event gave its resource: once that is clean, the event is done. None before it was
    routed, and again after a replay; its resource stays known, since an erasure may have taken what the body said."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    processed_at: Mapped[datetime | None]
    error_code: Mapped[str | None]


_row = table_of(KotaEvent).c
UNROUTED: ColumnElement[bool] = and_(
    _row.state == EventState.PENDING, or_(_row.resource_id.is_(None), _row.resource_seq.is_(None))
)
"""Events of which no resource knows yet."""


def locked_in_order(*conditions: ColumnElement[bool]) -> CTE:
    """The ids of events to update, with their locks: `WHERE kota_events.id = locked.id`.

    An UPDATE alone locks rows as it finds them. Two that find the same rows the other way round wait for each other
    until PostgreSQL ends one of them; by id, the second waits for the first.
    """
    wanted = select(_row.id).where(*conditions).order_by(_row.id)
    return wanted.with_for_update(key_share=True).cte("locked")
