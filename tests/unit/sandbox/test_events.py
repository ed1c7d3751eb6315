from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.sandbox.conftest import OpenSandbox, SandboxClient


def ago(**parts: float) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


async def test_what_happens_is_listed_in_both_versions(open_sandbox: OpenSandbox) -> None:
    # Becoming active is an update as well: not while this looks, however slow the machine is.
    sandbox = open_sandbox(kind=True, activation_delay=3600)
    employer = await sandbox.new_employer()
    await sandbox.put(f"/employers/{employer['id']}", json={"legal_name": "Changed"})
    await sandbox.put(f"/employers/{employer['id']}", json={"legal_name": "Changed"})
    fat = (await sandbox.read("/events", version="v1", order_direction="asc"))["items"]
    thin = (await sandbox.read("/events", version="v2", order_direction="asc"))["items"]
    for events in (fat, thin):
        assert [event["type"] for event in events] == ["employer.created", "employer.updated"]
    assert [event["data"]["legal_name"] for event in fat] == [employer["legal_name"], "Changed"]
    assert thin[0]["data"] == {
        "id": employer["id"],
        "metadata": employer["metadata"],
        "resource_type": "employer",
        "object": "employer_event",
    }
    assert (await sandbox.read(f"/events/{thin[0]['id']}")) == thin[0]


async def test_becoming_active_is_an_update(sandbox: SandboxClient) -> None:
    employer = await sandbox.new_employer()
    await sandbox.new_employee(employer["id"])
    await sandbox.advance(10)
    events = (await sandbox.read("/events", version="v2", order_direction="asc"))["items"]
    assert [event["type"] for event in events] == [
        "employer.created",
        "employee.created",
        "employer.updated",
        "employee.updated",
    ]


async def test_events_are_listed_newest_first_in_the_subscribed_version_unless_asked_otherwise(
    open_sandbox: OpenSandbox,
) -> None:
    sandbox = open_sandbox(kind=True, webhook_versions=["v1"])
    first, second = await sandbox.new_employer(), await sandbox.new_employer()
    events = (await sandbox.read("/events"))["items"]
    assert [event["data"]["id"] for event in events] == [second["id"], first["id"]]
    assert {event["api_version"] for event in events} == {"1.0"}
    both = open_sandbox(kind=True, webhook_versions=["v1", "v2"])
    await both.new_employer()
    assert (await both.read("/events"))["total_count"] == 2


async def test_events_can_be_read_from_a_time_on(sandbox: SandboxClient) -> None:
    await sandbox.new_employer()
    await sandbox.advance(100)
    assert (await sandbox.read("/events", created_after=ago(seconds=-0.5)))["total_count"] == 1
    assert (await sandbox.read("/events", created_after=ago(seconds=50)))["total_count"] == 2


async def test_events_older_than_thirty_days_are_gone(sandbox: SandboxClient) -> None:
    await sandbox.new_employer()
    event = (await sandbox.read("/events"))["items"][0]
    await sandbox.advance(timedelta(days=31).total_seconds())
    assert event["id"] not in {item["id"] for item in (await sandbox.read("/events"))["items"]}
    assert (await sandbox.get(f"/events/{event['id']}")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"created_after": ago(days=31)},
        {"created_after": "yesterday"},
        {"order_direction": "up"},
        {"version": "V2"},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(sandbox: SandboxClient, query: dict[str, str]) -> None:
    answer = await sandbox.get("/events", params=query)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == list(query)


async def test_a_type_that_nobody_knows_can_be_emitted(sandbox: SandboxClient) -> None:
    sent = {"type": "invoice.created", "version": "v2", "data": {"id": "inv_1"}}
    event_id = (await sandbox.created("/_control/emit", sent))["id"]
    event = await sandbox.read(f"/events/{event_id}")
    assert (event["type"], event["data"]) == ("invoice.created", {"id": "inv_1"})
