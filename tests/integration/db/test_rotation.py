"""Encryption keys change while everything runs."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text, update

from app.db.encryption import Keyring, Undecryptable
from app.db.engine import Sessions, create_engine, create_sessions
from app.db.rotation import BATCH, encrypted_columns, rotate
from app.models import DeadLetter, Employer, KotaEvent
from tests.databases import NewDatabase

pytestmark = pytest.mark.threat(14)


OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


async def sessions_with(stack: AsyncExitStack, url: str, *keys: str) -> Sessions:
    engine = create_engine(url, keyring=Keyring(keys), application_name="tests", pool_size=4)
    stack.push_async_callback(engine.dispose)
    return create_sessions(engine)


async def fill(sessions: Sessions, count: int) -> None:
    ring = Keyring([OLD])
    async with sessions.begin() as session:
        session.add_all(
            Employer(ref=f"e{number:04}", desired={"legal_name": f"Firm {number}"}, desired_digest=b"")
            for number in range(count)
        )
        session.add(KotaEvent(id="evt_1", type="employer.created", version="v2", body=ring.encrypt(b'{"id": "evt_1"}')))
        session.add(DeadLetter(body_digest=b"d", body=ring.encrypt(b"odd"), reason="no_id"))


def test_every_column_of_unreadable_bytes_is_known_as_such() -> None:
    found = {f"{column.table.name}.{column.name}" for column in encrypted_columns()}
    assert {"employees.desired", "session_grants.subject", "kota_events.body", "dead_letters.body"} <= found


async def test_everything_is_under_the_new_key_and_the_old_one_may_go(new_database: NewDatabase) -> None:
    url = new_database()
    async with AsyncExitStack() as stack:
        await fill(await sessions_with(stack, url, OLD), BATCH + 50)
        both = await sessions_with(stack, url, NEW, OLD)
        done = {item.column: item for item in await rotate(both, Keyring([NEW, OLD]))}
        again = await rotate(both, Keyring([NEW, OLD]))

        assert (done["employers.desired"].rotated, done["employers.desired"].left) == (BATCH + 50, 0)
        assert done["kota_events.body"].rotated == done["dead_letters.body"].rotated == 1
        assert {(item.rotated, item.left) for item in again} == {(0, 0)}

        new = await sessions_with(stack, url, NEW)
        async with new.begin() as session:
            last = await session.get(Employer, f"e{BATCH + 49:04}")
            event = await session.get(KotaEvent, "evt_1")
            assert last is not None
            assert event is not None
            assert last.desired == {"legal_name": f"Firm {BATCH + 49}"}
            assert Keyring([NEW]).decrypt(event.body) == b'{"id": "evt_1"}'


async def test_writers_are_neither_held_up_nor_overwritten(new_database: NewDatabase) -> None:
    url = new_database()
    async with AsyncExitStack() as stack:
        await fill(await sessions_with(stack, url, OLD), 300)
        # A process that has the new key, and does not yet write with it.
        writer = await sessions_with(stack, url, OLD, NEW)
        written: dict[str, int] = {}

        async def write() -> None:
            for number in range(150):
                ref = f"e{number * 2:04}"
                async with writer.begin() as session:
                    await session.execute(update(Employer).where(Employer.ref == ref).values(desired={"n": number}))
                written[ref] = number

        done, _ = await asyncio.gather(rotate(await sessions_with(stack, url, NEW, OLD), Keyring([NEW, OLD])), write())
        last = await rotate(await sessions_with(stack, url, NEW, OLD), Keyring([NEW, OLD]))

        assert done
        assert all(item.left == 0 for item in last)
        async with (await sessions_with(stack, url, NEW)).begin() as session:
            for ref, number in written.items():
                employer = await session.get(Employer, ref)
                assert employer is not None
                assert employer.desired == {"n": number}


async def test_run_that_was_killed_is_taken_up_again(new_database: NewDatabase) -> None:
    url = new_database()
    async with AsyncExitStack() as stack:
        await fill(await sessions_with(stack, url, OLD), 500)
        both = await sessions_with(stack, url, NEW, OLD)
        run = asyncio.create_task(rotate(both, Keyring([NEW, OLD])))
        current = Keyring([NEW]).current_id
        counted = text("SELECT count(*) FROM employers WHERE substr(desired, 1, 4) = :key")
        while True:
            async with both() as session:
                if (await session.execute(counted, {"key": current})).scalar_one() >= BATCH:
                    break
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

        rest = {item.column: item for item in await rotate(both, Keyring([NEW, OLD]))}
        assert rest["employers.desired"].left == 0
        assert rest["employers.desired"].rotated <= 500 - BATCH


async def test_what_is_left_behind_all_that_is_done_is_found(new_database: NewDatabase) -> None:
    url = new_database()
    async with AsyncExitStack() as stack:
        both = await sessions_with(stack, url, NEW, OLD)
        done, left = Keyring([NEW]).encrypt(b"{}"), Keyring([OLD]).encrypt(b"{}")
        async with both.begin() as session:
            bodies = [done] * (3 * BATCH) + [left]
            session.add_all(
                KotaEvent(id=f"evt_{number:06}", type="t", version="v2", body=body)
                for number, body in enumerate(bodies)
            )
        found = {item.column: item for item in await rotate(both, Keyring([NEW, OLD]))}["kota_events.body"]
        assert (found.rotated, found.left) == (1, 0)


async def test_value_under_a_key_that_is_missing_stops_it(new_database: NewDatabase) -> None:
    url = new_database()
    async with AsyncExitStack() as stack:
        await fill(await sessions_with(stack, url, OLD), 1)
        with pytest.raises(Undecryptable):
            await rotate(await sessions_with(stack, url, NEW), Keyring([NEW]))
