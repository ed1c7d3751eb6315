"""What is processed again finds its resource, whatever became of its body meanwhile."""

import json

from cryptography.fernet import Fernet
from sqlalchemy import update

from app.db.encryption import Keyring
from app.events.inbox import Selection, replay_event, replay_events
from app.events.work import routing_lane
from app.models import Employee, EventState, KotaEvent
from app.privacy.erasure import erase_employee
from app.webhooks.store import NewEvent, store_delivered
from tests.integration.events.rows import EMPLOYEE_ID, EMPLOYER_ID, add_people, event, get_event, get_resource
from tests.integration.stack import Stack

MARY = f"/employees/{EMPLOYEE_ID}"
LEFT = event(1, "employee.offboarded", id=EMPLOYEE_ID, employer_id=EMPLOYER_ID)


async def test_replay_after_an_erasure_reads_the_resource_again(stack: Stack) -> None:
    await mary_left(stack)
    await stack.deliver(LEFT)
    await stack.process()
    await erase_mary(stack)
    reads = stack.played.asked.count(MARY)

    async with stack.sessions.begin() as session:
        await replay_event(session, "evt_1")
    await stack.process()

    assert (await get_event(stack, 1)).state is EventState.PROCESSED
    assert stack.played.asked.count(MARY) == reads + 1
    assert (await get_resource(stack, "employee", EMPLOYEE_ID)).path_params


async def test_erasure_empties_what_is_just_being_replayed(stack: Stack) -> None:
    await mary_left(stack)
    await stack.deliver(LEFT)
    await stack.process()
    async with stack.sessions.begin() as session:
        await replay_event(session, "evt_1")

    await erase_mary(stack)

    assert stack.keyring.decrypt((await get_event(stack, 1)).body) == b"{}"
    await stack.process()
    assert (await get_event(stack, 1)).state is EventState.PROCESSED


async def test_delivery_after_an_erasure_brings_no_body_back(stack: Stack) -> None:
    await mary_left(stack)
    await stack.deliver(LEFT)
    await stack.process()
    await erase_mary(stack)
    async with stack.sessions.begin() as session:
        await session.execute(update(KotaEvent).values(state=EventState.DEAD))

    await stack.deliver(LEFT)
    await stack.process()

    found = await get_event(stack, 1)
    assert found.state is EventState.PROCESSED
    assert stack.keyring.decrypt(found.body) == b"{}"


async def test_delivery_mends_an_event_whose_body_nobody_can_read(stack: Stack) -> None:
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    lost = Keyring([Fernet.generate_key().decode()])
    async with stack.engine.begin() as connection:
        body = lost.encrypt(json.dumps(LEFT).encode())
        await store_delivered(connection, [NewEvent("evt_1", LEFT["type"], "v2", body)])
    await stack.process()
    assert (await get_event(stack, 1)).error_code == "undecryptable"

    await stack.deliver(LEFT)
    await stack.process()

    found = await get_event(stack, 1)
    assert found.state is EventState.PROCESSED
    assert json.loads(stack.keyring.decrypt(found.body)) == LEFT


async def test_event_of_which_nobody_knows_the_resource_is_dead_after_every_replay(stack: Stack) -> None:
    await stack.deliver(event(1, "employee.updated"))
    for _ in range(2):
        await stack.process()
        found = await get_event(stack, 1)
        assert (found.state, found.error_code) == (EventState.DEAD, "names_no_resource")
        assert await replay_events(stack.sessions, Selection(state=EventState.DEAD)) == 1


async def test_what_was_replayed_is_routed_once(stack: Stack) -> None:
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "active"}
    await stack.deliver(LEFT)
    await stack.process()
    async with stack.sessions.begin() as session:
        await replay_event(session, "evt_1")

    routing = routing_lane(stack.sessions, keyring=stack.keyring)
    claimed = []
    for _ in range(2):
        async with stack.sessions.begin() as session:
            claimed.append(len(await routing.claim(session, 1)))
        await routing.work(None)

    assert claimed == [1, 0]


async def mary_left(stack: Stack) -> None:
    await add_people(stack)
    stack.played.resources[MARY] = {"id": EMPLOYEE_ID, "status": "inactive"}


async def erase_mary(stack: Stack) -> None:
    async with stack.sessions.begin() as session:
        await session.execute(update(Employee).values(kota_status="inactive"))
        await erase_employee(session, "mary", keyring=stack.keyring)
