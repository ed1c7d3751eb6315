"""Deliveries that were signed but are no events: kept for a person to look at."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring, lookup_digest
from app.models.dead_letter import DeadLetter


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
