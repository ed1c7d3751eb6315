import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from app.sandbox.application import Sandbox
from app.sandbox.settings import SandboxSettings
from tests.integration.sandbox.receiver import Received, receiving
from tests.kota_bodies import employer_body
from tests.support.waiting import until

SECRET = "whsec_made_up"


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    sandbox = Sandbox.open(SandboxSettings(**{"kind": True, "activation_delay": 3600, **settings}))
    transport = httpx.ASGITransport(sandbox)
    headers = {"authorization": "Bearer pk_test_sandbox"}
    async with (
        sandbox.running(),
        httpx.AsyncClient(transport=transport, base_url="http://s", headers=headers) as client,
    ):
        yield sandbox, client


async def create(client: httpx.AsyncClient, count: int = 1) -> None:
    for _ in range(count):
        assert (await client.post("/employers", json=employer_body())).status_code == 200


def signature_parts(received: Received) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in received.headers["x-kota-webhook-signature"].split(",")]
    return [(name, value) for name, _, value in pairs]


async def test_a_thin_webhook_is_signed_over_its_bytes() -> None:
    async with receiving() as receiver, running(webhook_url=receiver.url, webhook_secrets=SECRET) as (_, client):
        await create(client)
        [received] = await receiver.wait_for(1)
    (t, timestamp), (v1, signature) = signature_parts(received)
    assert (t, v1) == ("t", "v1")
    assert abs(int(timestamp) - time.time()) < 60
    assert signature == hmac.new(SECRET.encode(), timestamp.encode() + b"." + received.body, "sha256").hexdigest()
    body = json.loads(received.body)
    assert (body["type"], body["version"], body["object"]) == ("employer.created", "V2", "event")
    assert "legal_name" not in body["data"]
    assert body["created_at"]


async def test_signatures_come_in_other_forms_and_from_several_secrets() -> None:
    options = {"webhook_secrets": [SECRET, "old"], "signature_encoding": "base64", "signature_unit": "milliseconds"}
    async with receiving() as receiver, running(webhook_url=receiver.url, **options) as (_, client):
        await create(client)
        [received] = await receiver.wait_for(1)
    (_, timestamp), *signatures = signature_parts(received)
    assert abs(int(timestamp) / 1000 - time.time()) < 60
    signed = timestamp.encode() + b"." + received.body
    assert signatures == [
        ("v1", base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()) for secret in (SECRET.encode(), b"old")
    ]


async def test_both_versions_are_sent_where_both_are_subscribed() -> None:
    async with receiving() as receiver, running(webhook_url=receiver.url, webhook_versions="v1,v2") as (_, client):
        await create(client)
        fat, thin = [json.loads(received.body) for received in await receiver.wait_for(2)]
    assert (fat["api_version"], fat["data"]["legal_name"]) == ("1.0", "Example Trading Ltd")
    assert thin["version"] == "V2"
    assert fat["id"] != thin["id"]


async def test_a_failed_delivery_is_repeated_until_it_succeeds() -> None:
    async with (
        receiving(500, None, 404, 302, 204) as receiver,
        running(webhook_url=receiver.url, retry_scale=0.00001) as (sandbox, client),
    ):
        await create(client)
        received = await receiver.wait_for(5)
        await until(lambda: sandbox.world.deliveries.pending == 0)
        assert (sandbox.world.deliveries.delivered, sandbox.world.deliveries.failed) == (1, 0)
    assert len({one.body for one in received}) == 1


async def test_a_delivery_is_given_up_after_nine_attempts() -> None:
    async with (
        receiving(*[503] * 20) as receiver,
        running(webhook_url=receiver.url, retry_scale=0) as (sandbox, client),
    ):
        await create(client)
        await until(lambda: sandbox.world.deliveries.failed == 1)
        assert len(receiver.received) == 9


async def test_retries_wait_for_the_sandboxs_own_clock() -> None:
    async with receiving(500) as receiver, running(webhook_url=receiver.url, retry_scale=1) as (_, client):
        await create(client)
        await receiver.wait_for(1)
        await client.post("/_control/advance", json={"clock_seconds": 120})
        await receiver.wait_for(2)


async def test_connections_are_few_and_kept_open() -> None:
    async with receiving() as receiver, running(webhook_url=receiver.url, webhook_connections=3) as (_, client):
        await create(client, 50)
        await receiver.wait_for(50)
        assert receiver.connections <= 3


async def test_an_unkind_sandbox_delivers_up_to_four_times_and_out_of_order() -> None:
    async with (
        receiving() as receiver,
        running(webhook_url=receiver.url, duplicates=1, reorders=0.5, webhook_connections=1) as (_, client),
    ):
        await create(client, 10)
        received = [json.loads(one.body)["id"] for one in await receiver.wait_for(40)]
        answered = (await client.get("/_control/deliveries/answered")).json()
        events = (await client.get("/events", params={"order_direction": "asc", "page_size": 100})).json()["items"]
    created = [event["id"] for event in events]
    assert sorted(received) == sorted(created * 4)
    assert answered == dict.fromkeys(created, 4)
    assert list(dict.fromkeys(received)) != created


async def test_a_lost_delivery_is_still_listed() -> None:
    async with receiving() as receiver, running(webhook_url=receiver.url, losses=1) as (sandbox, client):
        await create(client)
        assert sandbox.world.deliveries.pending == 0
        assert (await client.get("/events")).json()["total_count"] == 1


async def test_a_replay_delivers_once_more_and_tells_how_it_went() -> None:
    async with receiving(200, 503, None) as receiver, running(webhook_url=receiver.url) as (sandbox, client):
        await create(client)
        await receiver.wait_for(1)
        event = (await client.get("/events")).json()["items"][0]
        answers = [(await client.post(f"/events/{event['id']}/replay")).json() for _ in range(3)]
        assert len(receiver.received) == 4
        assert sandbox.world.deliveries.pending == 0
    deliveries = [answer["deliveries"][0] for answer in answers]
    assert [(one["success"], one["response_status_code"]) for one in deliveries] == [
        (False, 503),
        (False, None),
        (True, 200),
    ]
    assert {answer["event_id"] for answer in answers} == {event["id"]}


async def test_deliveries_outlive_a_restart(tmp_path: Path) -> None:
    async with receiving(500) as receiver:
        settings = {"webhook_url": receiver.url, "data_dir": tmp_path, "retry_scale": 0.02}
        async with running(**settings) as (_, client):
            await create(client)
            await receiver.wait_for(1)
            await until(lambda: b"settled" in (tmp_path / "sandbox.jsonl").read_bytes() or len(receiver.received) == 1)
        async with running(**settings) as (sandbox, _):
            await until(lambda: sandbox.world.deliveries.delivered == 1)
        assert len({one.body for one in receiver.received}) == 1


async def test_the_endpoint_and_its_secret_can_change_while_the_sandbox_runs() -> None:
    async with receiving() as first, receiving() as second, running(webhook_url=first.url) as (_, client):
        await create(client)
        await first.wait_for(1)
        await client.post("/_control/settings", json={"webhook_url": second.url, "webhook_secrets": [SECRET]})
        await create(client)
        [received] = await second.wait_for(1)
    assert len(first.received) == 1
    assert len(signature_parts(received)) == 2


async def test_many_deliveries_wait_for_an_endpoint_that_is_down_and_go_out_when_it_is_back() -> None:
    async with (
        receiving() as receiver,
        running(webhook_url="http://127.0.0.1:9/", retry_scale=0.0001) as (sandbox, client),
    ):
        await create(client, 200)
        await client.post("/_control/settings", json={"webhook_url": receiver.url})
        await until(lambda: sandbox.world.deliveries.delivered == 200)
    assert len({received.body for received in receiver.received}) == 200
