import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import Sessions
from app.models import KotaResource
from app.queue import leases
from app.queue.leases import Lease, Lost, lease_of
from tests.integration.queue.conftest import AddRows
from tests.support.statements import points_in_time, sent_values

MINUTE = timedelta(minutes=1)
DUE = leases.claiming(KotaResource)
DUE_LATER = leases.settling(KotaResource, next_attempt_at=leases.after(MINUTE))
RESTING = leases.settling(KotaResource, next_attempt_at=None)


async def claim(sessions: Sessions, *, limit: int = 10, lease: timedelta = MINUTE) -> dict[str, Lease]:
    """What was claimed, by id, in order."""
    async with sessions.begin() as session:
        rows = await leases.claim(session, DUE, limit=limit, lease=lease)
    return {row.id: lease_of(row) for row in rows}


async def let_leases_run_out(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(update(KotaResource).values(lease_until=func.now()))


async def row(sessions: Sessions, id_: str) -> KotaResource:
    async with sessions() as session:
        return (await session.scalars(select(KotaResource).where(KotaResource.id == id_))).one()


async def settle(sessions: Sessions, lease: Lease, *, status: str) -> None:
    async with sessions.begin() as session:
        settled = leases.settling(KotaResource, kota_status=status, next_attempt_at=None, attempts=0)
        await leases.settle(session, settled, lease)


async def test_longest_due_rows_are_claimed_first_and_no_more_than_asked_for(
    sessions: Sessions, add_rows: AddRows
) -> None:
    names = [f"{number:03}" for number in range(60)]
    await add_rows(*names)
    assert list(await claim(sessions, limit=25)) == names[:25]
    assert list(await claim(sessions, limit=100)) == names[25:]
    assert await claim(sessions) == {}


async def test_row_that_is_not_due_or_has_nothing_to_do_is_left_alone(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        session.add(KotaResource(kind="employee", id="later", next_attempt_at=leases.after(MINUTE)))
        session.add(KotaResource(kind="employee", id="never", next_attempt_at=None))
    assert await claim(sessions) == {}


async def test_condition_of_the_caller_narrows_what_is_claimed(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a", "b")
    async with sessions.begin() as session:
        others = leases.claiming(KotaResource, where=[KotaResource.id != "a"])
        rows = await leases.claim(session, others, limit=10, lease=MINUTE)
    assert [row.id for row in rows] == ["b"]


async def test_claim_uses_up_an_attempt_and_release_gives_it_back(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a", "b")
    held = await claim(sessions)
    assert (await row(sessions, "a")).attempts == 1
    async with sessions.begin() as session:
        await leases.release(session, KotaResource, [held["a"]])
    released = await row(sessions, "a")
    assert (released.attempts, released.lease_token, released.lease_until) == (0, None, None)
    assert (await row(sessions, "b")).attempts == 1
    assert list(await claim(sessions)) == ["a"]


async def test_settled_row_is_free_and_carries_the_result(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a")
    held = await claim(sessions)
    await settle(sessions, held["a"], status="active")
    settled = await row(sessions, "a")
    assert (settled.kota_status, settled.attempts, settled.next_attempt_at) == ("active", 0, None)
    assert (settled.lease_token, settled.lease_until) == (None, None)


async def test_row_that_is_settled_for_later_is_claimed_when_that_time_comes(
    sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a")
    held = await claim(sessions)
    async with sessions.begin() as session:
        await leases.settle(session, DUE_LATER, held["a"])
    assert await claim(sessions) == {}
    async with sessions.begin() as session:
        await session.execute(update(KotaResource).values(next_attempt_at=func.now()))
    assert list(await claim(sessions)) == ["a"]
    assert (await row(sessions, "a")).attempts == 2


async def test_claimers_at_the_same_time_never_take_the_same_row(sessions: Sessions, add_rows: AddRows) -> None:
    names = [f"{number:03}" for number in range(200)]
    await add_rows(*names)

    async def take_all() -> list[str]:
        taken: list[str] = []
        while batch := await claim(sessions, limit=7):
            taken += batch
        return taken

    shares = await asyncio.gather(*(take_all() for _ in range(8)))
    assert sorted(name for share in shares for name in share) == names
    assert sum(1 for share in shares if share) > 1


async def test_claim_passes_over_rows_that_an_open_transaction_has_locked(
    sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a", "b")
    async with sessions.begin() as other:
        assert [row.id for row in await leases.claim(other, DUE, limit=1, lease=MINUTE)] == ["a"]
        assert list(await claim(sessions)) == ["b"]


async def test_row_of_a_holder_that_ran_out_of_time_is_taken_over_and_the_late_result_refused(
    sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a")
    late = await claim(sessions)
    assert await claim(sessions) == {}
    await let_leases_run_out(sessions)
    current = await claim(sessions)
    assert current["a"].token != late["a"].token
    with pytest.raises(Lost, match="kota_resources"):
        await settle(sessions, late["a"], status="late")
    await settle(sessions, current["a"], status="current")
    with pytest.raises(Lost):
        await settle(sessions, current["a"], status="twice")
    assert (await row(sessions, "a")).kota_status == "current"


async def test_late_release_does_not_take_the_row_from_its_new_holder(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a")
    late = await claim(sessions)
    await let_leases_run_out(sessions)
    current = await claim(sessions)
    async with sessions.begin() as session:
        await leases.release(session, KotaResource, [late["a"]])
    await settle(sessions, current["a"], status="current")


async def test_late_holder_whose_row_nobody_took_may_still_write_its_result(
    sessions: Sessions, add_rows: AddRows
) -> None:
    await add_rows("a")
    held = await claim(sessions)
    await let_leases_run_out(sessions)
    await settle(sessions, held["a"], status="active")


async def test_lost_lease_undoes_what_the_transaction_wrote_before(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a", "projection")
    late = await claim(sessions, limit=1)
    await let_leases_run_out(sessions)
    await claim(sessions, limit=1)

    async def write_late() -> None:
        async with sessions.begin() as session:
            other_row = update(KotaResource).where(KotaResource.id == "projection")
            await session.execute(other_row.values(kota_status="late"))
            await leases.settle(session, RESTING, late["a"])

    with pytest.raises(Lost):
        await write_late()
    assert (await row(sessions, "projection")).kota_status is None


async def test_row_that_nobody_holds_has_no_lease_to_show(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a")
    with pytest.raises(ValueError, match="nobody holds"):
        lease_of(await row(sessions, "a"))


async def test_settling_and_releasing_find_their_rows_by_key(sessions: Sessions, add_rows: AddRows) -> None:
    # Tokens are not indexed, and a scan of the table for each result would cost more with each employee.
    scans = text("SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'kota_resources'")
    await add_rows("a", "b", "c")
    held = await claim(sessions)
    async with sessions.begin() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        before = (await session.execute(scans)).one()
        await leases.settle(session, RESTING, held["a"])
        await leases.release(session, KotaResource, [held["b"], held["c"]])
        after = (await session.execute(scans)).one()
    assert after.seq_scan == before.seq_scan
    assert after.idx_scan >= before.idx_scan + 2


async def test_leases_are_counted_by_the_clock_of_the_database(
    engine: AsyncEngine, sessions: Sessions, add_rows: AddRows
) -> None:
    """No time of this machine reaches the database, so no two machines can disagree."""
    with sent_values(engine) as sent:
        await add_rows("a", "b")
        held = await claim(sessions)
        async with sessions.begin() as session:
            await leases.settle(session, DUE_LATER, held["a"])
            await leases.release(session, KotaResource, [held["b"]])
    assert sent.count(MINUTE) == 2
    assert points_in_time(sent) == []
    async with sessions() as session:
        in_a_minute = KotaResource.next_attempt_at.between(func.now(), func.now() + MINUTE)
        assert await session.scalar(select(in_a_minute).where(KotaResource.id == "a"))


async def test_parameter_that_would_be_written_to_a_column_is_refused(sessions: Sessions, add_rows: AddRows) -> None:
    await add_rows("a")
    held = await claim(sessions)
    with pytest.raises(ValueError, match="would be written"):
        async with sessions.begin() as session:
            await leases.settle(session, RESTING, held["a"], kota_status="by mistake")
