"""What Kota's events talk about: one row a resource, dirty until its current state has been read and projected."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.leases import Leased, due_index


class KotaResource(Leased, Base):
    """A resource at Kota, by kind and id.

    It is read when `next_attempt_at` has come: at once after a mark, later after a failure or for a look that no event
    asked for; NULL means not before the next mark. `dirty_seq` counts the marks, so that one that comes during a read
    has the resource read again. `clean_seq` is the last mark that a read has settled: while it is below `dirty_seq`,
    events may wait for a read, and an erasure leaves it to that read to end the polls.
    """

    __tablename__ = "kota_resources"
    __table_args__ = (due_index("kota_resources"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    path_params: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    """Other ids that Kota named along with it, by its parameter names: those that its path needs, and those that say
    whom it concerns, by which a person's events are found."""
    dirty_seq: Mapped[int] = mapped_column(default=1, server_default="1")
    clean_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    kota_status: Mapped[str | None]
    error_code: Mapped[str | None]
    read_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
