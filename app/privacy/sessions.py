"""The sessions that a person had: as an employee, and as somebody who manages their employer's benefits."""

from dataclasses import dataclass
from secrets import token_bytes

from sqlalchemy import ColumnElement, LargeBinary, or_, select, type_coerce, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.encryption import Keyring, Undecryptable
from app.models import SessionGrant
from app.models.session_grant import SERVICE

NOBODY = "erased"


@dataclass(frozen=True, slots=True)
class Subjects:
    """Digests of those who had sessions as one employee: the person, under each of their names, and services."""

    people: frozenset[bytes]
    services: frozenset[bytes]


async def subjects_of(session: AsyncSession, ref: str, *, keyring: Keyring) -> Subjects:
    """Who had sessions as this employee. Whom no key names any more is in neither set."""
    found = await session.execute(
        select(SessionGrant.subject_digest, type_coerce(SessionGrant.subject, LargeBinary))
        .where(SessionGrant.employee_ref == ref)
        .ext(distinct_on(SessionGrant.subject_digest))
    )
    people, services = set(), set()
    for digest, encrypted in found:
        try:
            subject = keyring.decrypt(encrypted).decode(errors="surrogatepass")
        except Undecryptable:
            continue
        if subject.startswith(SERVICE):
            services.add(digest)
        elif subject != NOBODY:
            people.add(digest)
    return Subjects(frozenset(people), frozenset(services))


def sessions_of(ref: str, subjects: Subjects) -> ColumnElement[bool]:
    """Sessions for this employee, whoever opened them, and all others of the same person."""
    return or_(SessionGrant.employee_ref == ref, SessionGrant.subject_digest.in_(subjects.people))


async def erase_sessions(session: AsyncSession, ref: str, *, keyring: Keyring) -> None:
    """Have the person's sessions name nobody, and nothing say that they were the same person's.

    A service is no person, and has sessions for everybody: its own stay as they are.
    """
    subjects = await subjects_of(session, ref, keyring=keyring)
    ids = await session.scalars(
        select(SessionGrant.id)
        .where(sessions_of(ref, subjects), SessionGrant.subject_digest.not_in(subjects.services))
        .order_by(SessionGrant.id)
        .with_for_update()
    )
    # Each is encrypted by itself: equal bytes would link them as well.
    emptied = [{"id": id_, "subject": NOBODY, "subject_digest": token_bytes(32)} for id_ in ids]
    if emptied:
        await session.execute(update(SessionGrant), emptied)
