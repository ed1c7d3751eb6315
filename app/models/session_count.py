"""Sessions asked for per person and minute, counted where all replicas see it."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class SessionCount(Base):
    """How many sessions one person asked for in one minute."""

    __tablename__ = "session_counts"

    subject_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    count: Mapped[int]
