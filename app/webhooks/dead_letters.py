"""Deliveries that were signed but are no events: kept for a person to look at."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring, lookup_digest
from app.db.engine import Sessions
from app.db.pruning import prune_rows
from app.errors import NotFound
from app.models.dead_letter import DeadLetter

log = structlog.get_logger(__name__)


async def bury(session: AsyncSession, body: bytes, *, reason: str, keyring: Keyring, lookup_key: bytes) -> None:
    """Keep `body` once, however often it is delivered; `reason` names the fault and quotes nothing."""
    statement = insert(DeadLetter).values(
        body_digest=lookup_digest(lookup_key, "dead_letter", body), body=keyring.encrypt(body), reason=reason
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[DeadLetter.body_digest], set_={"deliveries": DeadLetter.deliveries + 1}
        )
    )


async def list_dead_letters(session: AsyncSession, *, limit: int) -> Sequence[DeadLetter]:
    """The newest `limit`."""
    newest = select(DeadLetter).order_by(DeadLetter.received_at.desc(), DeadLetter.id).limit(limit)
    return (await session.scalars(newest)).all()


async def count_dead_letters(session: AsyncSession) -> int:
    """How many are kept."""
    return await session.scalar(select(func.count()).select_from(DeadLetter)) or 0


async def read_dead_letter(session: AsyncSession, id_: UUID, *, keyring: Keyring) -> bytes:
    """The body as it was delivered. Raises NotFound, and Undecryptable without its key."""
    letter = await session.get(DeadLetter, id_)
    if letter is None:
        raise NotFound
    return keyring.decrypt(letter.body)


async def prune_dead_letters(sessions: Sessions, *, after: timedelta) -> None:
    """Forget what was first delivered longer ago than that."""
    old = DeadLetter.received_at < func.now() - after
    rows = await prune_rows(sessions, DeadLetter, old, along=[DeadLetter.received_at])
    log.info("webhooks.dead_letters.pruned", rows=rows)
