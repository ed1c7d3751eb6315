"""Keys of the host's backends."""

from datetime import datetime

from sqlalchemy import LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base


class ServiceKey(Base):
    """A named key. Only its digest is kept: whoever reads this table can call nobody with it."""

    __tablename__ = "service_keys"

    name: Mapped[str] = mapped_column(primary_key=True)
    """Never used twice, so that the audit trail names one key for ever."""
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """SHA-256. The key is 256 random bits, which no slower hash would protect better."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    """To the minute."""
    revoked_at: Mapped[datetime | None]
