"""Batches: many records sent at once, and what became of each line."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.encryption import EncryptedJSON


class BatchState(StrEnum):
    """How far a batch is."""

    RECEIVING = "receiving"
    RECEIVED = "received"
    INCOMPLETE = "incomplete"
    """Its upload broke off. Sending it again goes on where it stopped, since unchanged records cost nothing."""


class Batch(Base):
    """One upload, with the counts of the lines that need no row of their own."""

    __tablename__ = "batches"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    state: Mapped[BatchState] = mapped_column(default=BatchState.RECEIVING, server_default=BatchState.RECEIVING.value)
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    unchanged: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BatchLine(Base):
    """A line that was refused, or that changed a record. Which record that is says how far the line is."""

    __tablename__ = "batch_lines"

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None]
    ref: Mapped[str | None]
    version: Mapped[int | None]
    """What the line made of its record; None if it was refused."""
    code: Mapped[str | None]
    errors: Mapped[list[dict[str, str]] | None] = mapped_column(EncryptedJSON)
