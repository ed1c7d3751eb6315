"""Who had sessions: of a person all of them go, whatever they were for, and of a service none."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import LargeBinary, select, text, type_coerce

from app.models import SessionGrant
from app.privacy.sessions import NOBODY
from tests.integration.events.rows import add_people
from tests.integration.privacy.rows import erase, leave
from tests.integration.stack import Stack

MARY, PAYROLL = "mary@example.com", "service:payroll"


def granted(subject: str, employee_ref: str | None = None, *, request_id: str) -> SessionGrant:
    return SessionGrant(
        kind="embed",
        audience="employee" if employee_ref else "employer",
        subject=subject,
        subject_digest=b"digest of " + subject.encode(),
        employer_ref="acme",
        employee_ref=employee_ref,
        request_id=request_id,
        expires_at=datetime.now(UTC),
    )


async def grants(stack: Stack) -> dict[str, tuple[str, bytes]]:
    async with stack.sessions() as session:
        found = await session.scalars(select(SessionGrant))
        return {grant.request_id: (grant.subject, grant.subject_digest) for grant in found}


async def open_sessions(stack: Stack) -> None:
    """`mary`, who also manages her company's benefits, a colleague who does, and a service that does it for both."""
    await add_people(stack)
    await leave(stack)
    async with stack.sessions.begin() as session:
        session.add_all(
            [
                granted(MARY, "mary", request_id="mary as employee"),
                granted(MARY, request_id="mary as manager"),
                granted(MARY, request_id="mary as manager again"),
                granted(PAYROLL, "mary", request_id="service for mary"),
                granted(PAYROLL, request_id="service for the employer"),
                granted("nora@example.com", "nora", request_id="nora as employee"),
                granted("nora@example.com", request_id="nora as manager"),
            ]
        )


@pytest.mark.threat(15)
async def test_sessions_of_an_erased_person_name_and_link_nobody_whatever_they_were_for(stack: Stack) -> None:
    await open_sessions(stack)
    before = await grants(stack)
    await erase(stack)
    after = await grants(stack)
    theirs = {name for name in after if name.startswith("mary")}
    assert len(theirs) == 3
    assert {after[name][0] for name in theirs} == {NOBODY}
    digests = {after[name][1] for name in theirs}
    assert len(digests) == 3
    assert before["mary as employee"][1] not in digests
    assert {name: after[name] for name in after.keys() - theirs} == {
        name: before[name] for name in before.keys() - theirs
    }


async def stored_subjects(stack: Stack) -> Sequence[bytes]:
    async with stack.sessions() as session:
        return (await session.scalars(select(type_coerce(SessionGrant.subject, LargeBinary)))).all()


@pytest.mark.threat(13)
async def test_what_is_stored_instead_is_not_the_same_in_two_rows(stack: Stack) -> None:
    await open_sessions(stack)
    await erase(stack)
    stored = await stored_subjects(stack)
    assert len(set(stored)) == len(stored)


@pytest.mark.threat(15)
async def test_subject_that_no_key_opens_any_more_holds_up_no_erasure(stack: Stack) -> None:
    await open_sessions(stack)
    async with stack.sessions.begin() as session:
        lost = text("UPDATE session_grants SET subject = '\\x00000000' || substr(subject, 5) WHERE request_id = :id")
        await session.execute(lost, {"id": "mary as employee"})
    await erase(stack)
    assert (await grants(stack))["mary as employee"][0] == NOBODY
