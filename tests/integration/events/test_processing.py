from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update

from app.events.catalogue import TYPES
from app.events.inbox import replay_event
from app.events.settling import MAX_ATTEMPTS
from app.events.work import routing_lane
from app.models import EventState, KotaEvent, KotaResource, OutboxMessage
from app.queue.dirty import mark_dirty
from app.webhooks.store import NewEvent, store_delivered
from tests.integration.events.rows import (
    EMPLOYEE_ID,
    EMPLOYER_ID,
    add_people,
    event,
    get_employee,
    get_event,
    get_resource,
)
from tests.integration.stack import Stack

MARY = f"/employees/{EMPLOYEE_ID}"


def updated(number: int) -> dict[str, object]:
    return event(number, "employee.updated", id=EMPLOYEE_ID, employer_id=EMPLOYER_ID)


async def test_event_leads_to_the_status_that_kota_shows_now(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    await stack.deliver(updated(1))
    await stack.process()
    assert (await get_employee(stack)).kota_status == "active"
    done = await get_event(stack, 1)
    assert done.state is EventState.PROCESSED
    assert done.processed_at


async def test_answer_without_a_status_says_nothing_of_it(stack: Stack) -> None:
    await add_people(stack)
    shown: list[dict[str, str | None]] = [{"status": "inactive"}, {}, {"status": None}]
    for number, content in enumerate(shown):
        stack.played.resources[MARY] = {"id": EMPLOYEE_ID, **content}
        await stack.deliver(updated(number))
        await stack.process()
    assert (await get_employee(stack)).kota_status == "inactive"
    async with stack.sessions() as session:
        told = (await session.scalars(select(OutboxMessage))).one()
    assert (told.content or {}).get("kota_status") == "inactive"


async def test_burst_of_events_about_one_resource_costs_one_read(stack: Stack) -> None:
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    await stack.deliver(*(updated(number) for number in range(50)))
    assert await stack.process() == 1
    assert {(await get_event(stack, number)).state for number in range(50)} == {EventState.PROCESSED}


async def test_resource_that_becomes_dirty_during_its_read_is_read_again(stack: Stack) -> None:
    await stack.deliver(updated(1))
    reads = 0

    def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal reads
        reads += 1
        return httpx.Response(200, json={"id": EMPLOYEE_ID, "status": "active"})

    stack.played.answers[MARY] = answer
    reader = stack.reader()
    await stack.deliver(updated(2))
    await route(stack)
    [job] = await stack.claimed(reader.lanes()[0])
    await stack.deliver(updated(3))
    await route(stack)
    await reader.work(job)
    assert (await get_event(stack, 2)).state is EventState.PROCESSED
    assert (await get_event(stack, 3)).state is EventState.PENDING
    await stack.process()
    assert (await get_event(stack, 3)).state is EventState.PROCESSED
    assert reads == 2


async def route(stack: Stack) -> None:
    await routing_lane(stack.sessions, keyring=stack.keyring).work(None)


async def test_resource_that_kota_does_not_know_is_a_normal_end(stack: Stack) -> None:
    await stack.deliver(event(1, "policy.active", policy_id="p_1"))
    await stack.process()
    assert (await get_event(stack, 1)).state is EventState.PROCESSED


async def test_unknown_type_is_ignored_and_asks_nothing(stack: Stack) -> None:
    await stack.deliver(event(1, "invoice.created", id="inv_1"), event(2, "never.heard.of"))
    await stack.process()
    assert (await get_event(stack, 1)).state is EventState.IGNORED
    assert (await get_event(stack, 2)).state is EventState.IGNORED
    assert stack.played.asked == []


@pytest.mark.parametrize("data", [{}, {"id": 1}, {"id": ""}, {"id": "e\n"}, {"id": "e" * 256}])
async def test_known_type_that_names_no_resource_is_dead_at_once(stack: Stack, data: dict[str, object]) -> None:
    await stack.deliver({"id": "evt_1", "type": "employee.updated", "data": data})
    await stack.process()
    dead = await get_event(stack, 1)
    assert (dead.state, dead.error_code) == (EventState.DEAD, "names_no_resource")


async def test_body_under_a_lost_key_is_dead_and_visible(stack: Stack) -> None:
    async with stack.engine.begin() as connection:
        await store_delivered(connection, [NewEvent("evt_1", "employee.updated", "v2", b"no such key")])
    await stack.process()
    assert (await get_event(stack, 1)).error_code == "undecryptable"


async def test_poisonous_event_dies_delays_no_other_and_lives_after_a_replay(stack: Stack) -> None:
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    stack.played.fails("/policies/p_bad", 500)
    await stack.deliver(event(1, "policy.active", policy_id="p_bad"), updated(2))
    assert await stack.process() == 1 + MAX_ATTEMPTS
    dead = await get_event(stack, 1)
    assert (dead.state, dead.attempts, dead.error_code) == (EventState.DEAD, MAX_ATTEMPTS, "internal_error")
    assert (await get_event(stack, 2)).state is EventState.PROCESSED
    del stack.played.answers["/policies/p_bad"]
    async with stack.sessions.begin() as session:
        await replay_event(session, "evt_1")
    await stack.process()
    assert (await get_event(stack, 1)).state is EventState.PROCESSED


@pytest.mark.parametrize("status", [401, 429, 502, 503, 504])
async def test_outage_of_kota_as_a_whole_kills_no_event(stack: Stack, status: int) -> None:
    stack.played.fails(MARY, status)
    await stack.deliver(updated(1))
    await route(stack)
    reader = stack.reader()
    for _ in range(MAX_ATTEMPTS + 3):
        for job in [job for lane in reader.lanes() for job in await stack.claimed(lane)]:
            await reader.work(job)
    waiting = await get_event(stack, 1)
    assert (waiting.state, waiting.attempts) == (EventState.PENDING, 0)


async def test_redelivered_dead_event_comes_alive(stack: Stack) -> None:
    stack.played.fails("/policies/p_1", 500)
    await stack.deliver(event(1, "policy.active", policy_id="p_1"))
    await stack.process()
    assert (await get_event(stack, 1)).state is EventState.DEAD
    del stack.played.answers["/policies/p_1"]
    assert await stack.deliver(event(1, "policy.active", policy_id="p_1")) == set()
    await stack.process()
    alive = await get_event(stack, 1)
    assert (alive.state, alive.deliveries, alive.attempts) == (EventState.PROCESSED, 2, 0)


async def test_redelivered_processed_event_is_counted_and_left_alone(stack: Stack) -> None:
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    await stack.deliver(updated(1))
    await stack.process()
    await stack.deliver(updated(1))
    assert await stack.process() == 0
    assert (await get_event(stack, 1)).deliveries == 2


async def test_answer_that_is_no_employee_fails_like_any_unreadable_answer(stack: Stack) -> None:
    stack.played.resources[MARY] = {"no": "id"}
    await stack.deliver(updated(1))
    await stack.process()
    assert (await get_event(stack, 1)).error_code == "KotaUnreadable"


async def test_late_result_of_a_lost_lease_is_not_written(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    await stack.deliver(updated(1))
    await route(stack)
    reader = stack.reader()
    [job] = await stack.claimed(reader.lanes()[0])
    async with stack.sessions.begin() as session:
        await session.execute(update(KotaResource).values(lease_until=func.now() - timedelta(seconds=1)))
    [second] = await stack.claimed(reader.lanes()[1])
    await reader.work(job)
    assert (await get_employee(stack)).kota_status is None
    assert (await get_event(stack, 1)).state is EventState.PENDING
    stack.played.fails(MARY, 500)
    await reader.work(job)
    assert (await get_event(stack, 1)).attempts == 0
    del stack.played.answers[MARY]
    await reader.work(second)
    assert (await get_event(stack, 1)).state is EventState.PROCESSED


async def test_record_on_its_way_is_looked_at_again_and_a_settled_one_is_not(stack: Stack) -> None:
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "pending"}
    async with stack.sessions.begin() as session:
        await mark_dirty(session, "employee", EMPLOYEE_ID)
    await stack.process()
    assert (await get_resource(stack, "employee", EMPLOYEE_ID)).next_attempt_at
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    async with stack.sessions.begin() as session:
        await session.execute(update(KotaResource).values(next_attempt_at=func.now()))
    assert await stack.process() == 1
    assert (await get_resource(stack, "employee", EMPLOYEE_ID)).next_attempt_at is None


async def test_status_reaches_a_record_whose_id_is_not_known_yet_by_its_metadata(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources["/employees/ee_2"] = {"id": "ee_2", "status": "active", "metadata": {"id": "mary"}}
    await stack.deliver(event(1, "employee.updated", id="ee_2"))
    await stack.process()
    assert (await get_employee(stack)).kota_status is None  # Mary has another id at Kota.


async def test_members_of_groups_are_read_from_their_list(stack: Stack) -> None:
    stack.played.resources["/groups/gr_2/employees"] = {"items": [], "page": 1, "page_size": 0, "total_count": 0}
    await stack.deliver(
        event(1, "group.employee.moved", previous_group_id="gr_1", new_group_id="gr_2", employee_id=EMPLOYEE_ID)
    )
    await stack.process()
    assert stack.played.asked == ["/groups/gr_2/employees"]
    assert (await get_event(stack, 1)).state is EventState.PROCESSED


async def test_large_backlog_is_routed_in_batches(stack: Stack) -> None:
    await stack.deliver(*(event(n, "policy.active", policy_id=f"p_{n % 7}") for n in range(1200)))
    assert await stack.process() == 7
    async with stack.sessions() as session:
        states = (await session.execute(select(KotaEvent.state, func.count()).group_by(KotaEvent.state))).all()
    assert [tuple(row) for row in states] == [(EventState.PROCESSED, 1200)]


def test_every_type_of_kotas_is_known() -> None:
    assert len(TYPES) == 82  # 81 of Kota's OpenAPI, and one of its newer pages.
