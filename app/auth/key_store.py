"""Service keys are made, listed and revoked here."""

import re
from collections.abc import Collection, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.scopes import Scope
from app.auth.service_keys import digest_of, new_key
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.models import ServiceKey

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class NameTaken(Conflict):
    """A key of this name exists, or did."""

    code = "name_taken"


async def create_key(session: AsyncSession, name: str, *, scopes: Collection[Scope]) -> str:
    """The new key, which is shown this once. Raises InvalidInput, and NameTaken even after the name was revoked."""
    if not NAME.fullmatch(name):
        fault = "1 to 64 letters, digits, dots, dashes or underscores; the first is a letter or digit"
        raise InvalidInput(fault, errors=[FieldError("/name", fault)])
    if not scopes:
        raise InvalidInput("A key needs a scope.", errors=[FieldError("/scopes", "names no scope")])
    key = new_key()
    made = await session.execute(
        insert(ServiceKey)
        .values(name=name, digest=digest_of(key), scopes=sorted(scopes))
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(ServiceKey.name)
    )
    if made.first() is None:
        raise NameTaken(f"There is, or was, a key named {name}; names are not used twice.")
    return key


async def list_keys(session: AsyncSession) -> Sequence[ServiceKey]:
    """All of them, revoked ones too, by name."""
    return (await session.scalars(select(ServiceKey).order_by(ServiceKey.name))).all()


async def revoke_key(session: AsyncSession, name: str) -> None:
    """From the commit on it opens nothing. Doing it again changes nothing; NotFound if there never was such a key."""
    known = await session.execute(
        update(ServiceKey)
        .where(ServiceKey.name == name)
        .values(revoked_at=func.coalesce(ServiceKey.revoked_at, func.now()))
        .returning(ServiceKey.name)
    )
    if known.first() is None:
        raise NotFound(f"There is no key named {name} in the database.")
