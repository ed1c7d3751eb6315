"""Every type in every version that it has, a file each: through the real route, to its resource, to what it means."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.events.catalogue import address_of, resource_of
from app.kota import NO_RETRY, SIGNATURE_HEADER, open_client, read_envelope, sign
from app.models import EventState, KotaEvent, Notification, NotificationState
from app.sandbox.catalogue import EVENT_TYPES, THIN_DATA
from tests.integration.stack import API_KEY, PlayedKota, Stack
from tests.kota_events import FILES
from tests.support.app import RunningApp
from tests.support.transactions import OutsideTransactions

OUR_NAMES = {"quote": "employer_quote", "offer": "employee_offer", "group_employee": "group_member"}
"""Where the sandbox, which has a catalogue of its own, calls a kind otherwise."""


@pytest.fixture
async def stack(shared_app: RunningApp) -> AsyncIterator[Stack]:
    """The worker's share, over the database of the application; Kota is played."""
    played = PlayedKota()
    services = shared_app.app.state.services
    client = open_client(
        api_url="http://kota.test",
        api_key=API_KEY,
        read_retry=NO_RETRY,
        transport=OutsideTransactions(httpx.MockTransport(played)),
    )
    async with client as kota:
        yield Stack(services.engine, services.sessions, services.keyring, kota, played)


async def deliver(app: RunningApp, body: bytes) -> httpx.Response:
    secret = app.settings.kota_webhook_secrets[0].get_secret_value().encode()
    headers = {SIGNATURE_HEADER: sign(body, secret=secret, at=datetime.now(UTC))}
    return await app.http.post("/webhooks/kota", content=body, headers=headers)


def test_there_are_17_types_of_the_first_version_and_81_of_the_second() -> None:
    names = [file.name.split(".", 1)[0] for file in FILES]
    assert (names.count("v1"), names.count("v2"), len(names)) == (17, 81, 98)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_event_is_taken_by_the_real_route_and_processed(shared_app: RunningApp, stack: Stack, file: Path) -> None:
    body = await asyncio.to_thread(file.read_bytes)
    content = json.loads(body)
    version = file.name.split(".", 1)[0]
    for status in ("accepted", "duplicate"):
        answer = await deliver(shared_app, body)
        assert (answer.status_code, answer.json()) == (200, {"status": status})
    if version == "v1":
        play(stack.played, content)
    await stack.process()
    async with stack.sessions() as session:
        event = await session.get_one(KotaEvent, content["id"])
    assert (event.type, event.version, event.state) == (content["type"], version, EventState.PROCESSED)
    assert f"{version}.{event.type}.json" == file.name
    assert (event.deliveries, json.loads(stack.keyring.decrypt(event.body))) == (2, content)
    kind = EVENT_TYPES[event.type].kind
    assert event.resource_kind == OUR_NAMES.get(kind, kind)
    id_name = "id" if version == "v1" else THIN_DATA[kind].id_name
    named = content["data"][id_name] if id_name else content["data"]["employee_id"]
    assert event.resource_id is not None
    assert event.resource_id.endswith(named)
    if version == "v1":
        await nothing_but_what_it_asks_is_open(stack, event.resource_id, content["data"])


def play(played: PlayedKota, content: dict[str, Any]) -> None:
    """Version 1 carries the resource: Kota shows the same when asked."""
    envelope = read_envelope(json.dumps(content).encode())
    resource = resource_of(envelope.type, envelope.data)
    assert resource
    path, ids, _query = address_of(resource)
    played.resources[path.format_map(ids)] = content["data"]


async def nothing_but_what_it_asks_is_open(stack: Stack, resource_id: str, data: dict[str, Any]) -> None:
    wanted = Notification.resource_id == resource_id, Notification.state == NotificationState.OPEN
    async with stack.sessions() as session:
        found = (await session.scalars(select(Notification).where(*wanted))).all()
    asked = data.get("required_action") if data.get("status") == "action_required" else None
    opted = data.get("enrolment_type") == "opt_out" and data.get("status") in {"active", "scheduled"}
    titles = [asked["reason"]] if asked else ["Your benefits need your attention"] if opted else []
    days = [asked["due_at"]] if asked else [data["opt_out_deadline_date"]] if opted else []
    assert [one.title for one in found] == titles
    assert [one.due_on and one.due_on.isoformat() for one in found] == days
