"""Service keys of the table: made, used, limited to their scopes, revoked, without a restart."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.auth.key_store import NameTaken, create_key, list_keys, revoke_key
from app.auth.scopes import ALL_SCOPES, Scope
from app.errors import InvalidInput, NotFound
from app.models import ServiceKey
from tests.support.app import Host, RunningApp

AUDIT = "/internal/audit"


async def new_key(app: RunningApp, name: str, *scopes: Scope) -> dict[str, str]:
    async with app.app.state.services.sessions.begin() as session:
        return {"Authorization": f"Bearer {await create_key(session, name, scopes=scopes)}"}


@pytest.mark.threat(5)
async def test_key_opens_what_its_scopes_say_and_nothing_else(app: RunningApp) -> None:
    admin, sync = await new_key(app, "admin", Scope.ADMIN), await new_key(app, "sync", Scope.SYNC)

    assert (await app.http.get(AUDIT, headers=admin)).status_code == 200
    refused = await app.http.get(AUDIT, headers=sync)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "admin" in refused.json()["detail"]


@pytest.mark.threat(5)
async def test_revoked_key_opens_nothing_from_then_on(app: RunningApp) -> None:
    headers = await new_key(app, "leaked", Scope.ADMIN)
    assert (await app.http.get(AUDIT, headers=headers)).status_code == 200
    async with app.app.state.services.sessions.begin() as session:
        await revoke_key(session, "leaked")

    assert (await app.http.get(AUDIT, headers=headers)).status_code == 401


async def test_revoking_twice_keeps_the_first_time(app: RunningApp) -> None:
    await new_key(app, "old", Scope.SYNC)
    moments = []
    for _ in range(2):
        async with app.app.state.services.sessions.begin() as session:
            await revoke_key(session, "old")
            moments.append(await session.scalar(select(ServiceKey.revoked_at)))
    assert moments[0] is not None
    assert moments[0] == moments[1]


async def test_unknown_key_cannot_be_revoked(app: RunningApp) -> None:
    with pytest.raises(NotFound):
        async with app.app.state.services.sessions.begin() as session:
            await revoke_key(session, "nobody")


@pytest.mark.threat(5)
async def test_use_is_written_down_to_the_minute(app: RunningApp) -> None:
    headers = await new_key(app, "busy", Scope.ADMIN)
    sessions = app.app.state.services.sessions
    async with sessions.begin() as session:
        assert await session.scalar(select(ServiceKey.last_used_at)) is None

    seen = []
    for _ in range(2):
        await app.http.get(AUDIT, headers=headers)
        async with sessions.begin() as session:
            seen.append(await session.scalar(select(ServiceKey.last_used_at)))
    assert seen[0] is not None
    assert seen[0] == seen[1]

    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with sessions.begin() as session:
        await session.execute(update(ServiceKey).values(last_used_at=long_ago))
    await app.http.get(AUDIT, headers=headers)
    async with sessions.begin() as session:
        assert await session.scalar(select(ServiceKey.last_used_at)) > long_ago


async def test_two_keys_of_one_backend_hold_while_it_changes_over(app: RunningApp) -> None:
    old, new = await new_key(app, "payroll-1", Scope.ADMIN), await new_key(app, "payroll-2", Scope.ADMIN)

    assert [(await app.http.get(AUDIT, headers=headers)).status_code for headers in (old, new)] == [200, 200]


async def test_name_is_never_used_twice(app: RunningApp) -> None:
    await new_key(app, "payroll", Scope.SYNC)
    async with app.app.state.services.sessions.begin() as session:
        await revoke_key(session, "payroll")
    with pytest.raises(NameTaken):
        await new_key(app, "payroll", Scope.SYNC)


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a" * 65, "a\n", "ä", "a:b"])
async def test_name_that_would_confuse_the_trail_is_refused(app: RunningApp, name: str) -> None:
    with pytest.raises(InvalidInput):
        await new_key(app, name, Scope.SYNC)


async def test_key_without_a_scope_is_refused(app: RunningApp) -> None:
    with pytest.raises(InvalidInput):
        await new_key(app, "useless")


@pytest.mark.threat(5)
async def test_only_a_digest_is_kept(app: RunningApp) -> None:
    key = (await new_key(app, "a", Scope.SYNC))["Authorization"].removeprefix("Bearer ")
    async with app.app.state.services.sessions.begin() as session:
        (kept,) = await list_keys(session)
    assert key.encode() not in kept.digest
    assert len(kept.digest) == 32


@pytest.mark.threat(5)
async def test_scope_of_a_later_version_gives_nothing(app: RunningApp) -> None:
    headers = await new_key(app, "a", Scope.SYNC)
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(update(ServiceKey).values(scopes=["time_travel"]))

    assert (await app.http.get(AUDIT, headers=headers)).status_code == 403


async def test_bootstrap_key_has_every_scope(app: RunningApp, host: Host) -> None:
    caller = await app.app.state.authenticators.service.verify(host.service_key)
    assert (caller.name, caller.scopes) == ("tests", ALL_SCOPES)
