from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import LargeBinary, func, literal, update

from app.models import Employee, Employer, Notification, NotificationAudience, NotificationState, SyncState
from app.models.notification import SEEN_BYTES
from tests.databases import NewDatabase
from tests.integration.sessions.world import employee_row, employer_row, store
from tests.support.app import Host, RunningApp, running_app, settings_for

HOST = Host()


@pytest.fixture
async def app(new_database: NewDatabase) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(new_database(), host=HOST)) as app:
        await store(app, employer_row(), employer_row("other"), employee_row(), employee_row("tom", "other"))
        yield app


@pytest.fixture
async def strict(new_database: NewDatabase) -> AsyncIterator[RunningApp]:
    """Where every person belongs to a customer."""
    settings = settings_for(new_database(), host=HOST, require_external_customer=True)
    async with running_app(settings) as app:
        await store(
            app,
            employer_row(),
            employee_row(external_customer_id="one"),
            employee_row("tom", external_customer_id="two"),
            employee_row("sue", external_customer_id="one", kota_status="pending"),
        )
        yield app


def notification(
    title: str,
    *,
    employer: str | None = "acme",
    employee: str | None = None,
    audience: str | None = None,
    **values: Any,
) -> Notification:
    return Notification(
        id=uuid4(),
        kind="k",
        resource_id=title,
        action="action_required",
        audience=NotificationAudience(audience or ("employee" if employee else "employer")),
        kota_employer_id=employer and f"er_{employer}",
        kota_employee_id=employee and f"ee_{employee}",
        title=title,
        body="What to do",
        **{"content_digest": title.encode(), **values},
    )


async def get(app: RunningApp, path: str, **person: Any) -> Any:
    answer = await app.http.get(path, headers=HOST.bearer(**person))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def titles(app: RunningApp, **person: Any) -> set[str]:
    return {item["title"] for item in (await get(app, "/notifications", **person))["items"]}


@pytest.mark.threat(3)
async def test_each_person_sees_what_is_theirs_to_do_and_nothing_else(app: RunningApp) -> None:
    await store(
        app,
        notification("for acme"),
        notification("for mary", employee="mary"),
        notification("for other", employer="other"),
        notification("for tom", employer="other", employee="tom"),
        notification("for the operator", audience="operator"),
        notification("settled", state=NotificationState.CLOSED),
        notification("over", state=NotificationState.EXPIRED),
        notification("for nobody", employer=None),
    )
    assert await titles(app, employee="mary") == {"for acme", "for mary"}
    assert await titles(app) == {"for acme"}
    assert await titles(app, employee="mary", kota_audiences=["employee"]) == {"for mary"}
    assert await titles(app, employee="mary", kota_audiences=[]) == set()
    assert await titles(app, employer="other", employee="tom") == {"for other", "for tom"}
    assert await titles(app, employer="other", employee="mary") == {"for other"}
    assert await titles(app, employer="unheard-of", employee="mary") == set()


@pytest.mark.threat(3)
async def test_customers_of_one_legal_entity_see_nothing_of_each_other(strict: RunningApp) -> None:
    await store(
        strict,
        notification("for one", external_customer_id="one"),
        notification("for two", external_customer_id="two"),
        notification("for no customer"),
        notification("for mary", employee="mary", external_customer_id="one"),
    )
    assert await titles(strict, employee="mary", kota_external_customer="one") == {"for one", "for mary"}
    assert await titles(strict, employee="mary", kota_external_customer="two") == {"for two"}
    assert await titles(strict, employee="mary") == set()
    one = await get(strict, "/me", employee="mary", kota_external_customer="one")
    assert one["employees_processing"] == 1
    assert (await get(strict, "/me", employee="mary", kota_external_customer="two"))["employee"] is None
    assert (await get(strict, "/me", employee="mary"))["employees_processing"] == 0


async def test_notification_shows_what_a_person_needs_and_no_ids_of_kotas(app: RunningApp) -> None:
    await store(app, notification("for acme"))
    [shown] = (await get(app, "/notifications"))["items"]
    assert set(shown) == {"id", "audience", "title", "body", "due_on", "opened_at"}


async def test_list_comes_in_pages_newest_first(app: RunningApp) -> None:
    await store(app, *(notification(f"number {number}") for number in range(5)))
    async with app.app.state.services.sessions.begin() as session:
        for number in range(5):
            await session.execute(
                update(Notification)
                .where(Notification.resource_id == f"number {number}")
                .values(opened_at=func.now() + timedelta(seconds=number))
            )
    seen: list[str] = []
    cursor = None
    while True:
        page = await get(app, "/notifications?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [item["title"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    for cursor in ("x", "WyJhIiwiYiJd", "WyJhIl0"):
        assert (await app.http.get(f"/notifications?cursor={cursor}", headers=HOST.bearer())).status_code == 422


async def dismiss(app: RunningApp, id: object, **person: Any) -> httpx.Response:
    return await app.http.post(f"/notifications/{id}/dismiss", headers=HOST.bearer(**person))


async def test_dismissing_hides_it_from_one_person_until_it_says_something_else(app: RunningApp) -> None:
    digest = b"x" * SEEN_BYTES
    item = notification("for acme", content_digest=digest)
    await store(app, item)
    for _ in range(2):
        assert (await dismiss(app, item.id)).status_code == 204
    assert await titles(app) == set()
    assert (await get(app, "/me"))["open_notifications"] == 0
    assert await titles(app, sub="somebody else") == {"for acme"}
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(update(Notification).values(content_digest=digest + b"another reference"))
    assert await titles(app) == set()
    async with app.app.state.services.sessions.begin() as session:
        await session.execute(update(Notification).values(content_digest=b"changed" + digest))
    assert await titles(app) == {"for acme"}


@pytest.mark.threat(3)
async def test_what_a_person_does_not_see_they_cannot_dismiss(app: RunningApp) -> None:
    item = notification("for other", employer="other")
    await store(app, item)
    assert (await dismiss(app, item.id)).status_code == 404
    assert (await dismiss(app, uuid4())).status_code == 404
    assert (await dismiss(app, "no-id")).status_code == 422


async def test_me_names_the_records_of_the_token(app: RunningApp) -> None:
    await store(
        app,
        employee_row("new", kota_id=None, kota_status=None),
        employee_row("refused", kota_id=None, kota_status=None, state=SyncState.REJECTED),
        notification("for acme"),
    )
    assert await get(app, "/me", employee="mary") == {
        "employer": {"ref": "acme", "status": "active"},
        "employee": {"ref": "mary", "status": "active"},
        "employees_processing": 1,
        "open_notifications": 1,
    }
    assert await get(app, "/me", employer="unheard-of", kota_audiences=["employee"]) == {
        "employer": {"ref": "unheard-of", "status": None},
        "employee": None,
        "employees_processing": None,
        "open_notifications": 0,
    }


async def test_own_status_is_shown_without_reading_what_a_record_says(app: RunningApp) -> None:
    shown = await get(app, "/me", employee="mary")
    under_a_lost_key = literal(b"\x00" * 64, LargeBinary)
    async with app.app.state.services.sessions.begin() as session:
        for record in (Employer, Employee):
            await session.execute(update(record).values(desired=under_a_lost_key))
    assert await get(app, "/me", employee="mary") == shown


async def test_without_a_token_nothing_is_shown(app: RunningApp) -> None:
    for path in ("/me", "/notifications"):
        assert (await app.http.get(path)).status_code == 401
        assert (await app.http.get(path, headers=HOST.service)).status_code == 401
