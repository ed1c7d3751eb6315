"""What is so at Kota after a storm, from the sandbox alone: nothing here shares a line with the code under test."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from app.sandbox.catalogue import EVENT_TYPES, THIN_DATA
from tests.support.stack import API_KEY, Stack
from tests.support.storm.asked import Asked, asked_of

OUR_NAMES = {"quote": "employer_quote", "offer": "employee_offer", "group_employee": "group_member"}
"""Where the sandbox calls a kind otherwise than we do."""
GROUPS = {"group.employee.moved": "new_group_id", "group.employee.move.scheduled": "current_group_id"}

Json = dict[str, Any]
Key = tuple[str, str]
"""A resource by our name of its kind, and its id."""


@dataclass(frozen=True, slots=True)
class Truth:
    """All events, and every resource that one of them is about."""

    events: Mapping[str, Json]
    versions: Mapping[str, str]
    resources: Mapping[Key, Json]
    asked: Mapping[tuple[str, str, str], Asked]
    """What people have to do now, by kind, id and action."""
    state: Mapping[str, list[Json]]
    answered: Mapping[str, int]
    """How many deliveries of each event were answered 2xx."""


def truth_of(stack: Stack) -> Truth:
    """Read it all."""
    with httpx.Client(base_url=stack.sandbox_url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=120) as kota:
        listed = {version: listed_events(stack, version) for version in ("v1", "v2")}
        events = {event["id"]: event for of_version in listed.values() for event in of_version}
        versions = {event["id"]: version for version, of_version in listed.items() for event in of_version}
        state = kota.get("/_control/state").json()
        by_kind = {kind: {_own_id(kind, item): item for item in items} for kind, items in state.items()}
        resources = {}
        for event in events.values():
            kind = EVENT_TYPES[event["type"]].kind
            id_ = _resource_id(event, kind, versions[event["id"]])
            resources[OUR_NAMES.get(kind, kind), id_] = by_kind[kind][id_]
        asked = {
            (*key, one.action): one
            for key, content in resources.items()
            for one in asked_of(key[0], content, by_kind, quote=lambda id_: _quote(kota, id_))
        }
        answered = kota.get("/_control/deliveries/answered").json()
    return Truth(events, versions, resources, asked, state, answered)


def _own_id(kind: str, item: Json) -> str:
    # A membership has its employee's id.
    return f"{item['group_id']}/{item['id']}" if kind == "group_employee" else str(item.get("id", ""))


def _resource_id(event: Json, kind: str, version: str) -> str:
    data = event["data"]
    if kind == "group_employee":
        return f"{data[GROUPS.get(event['type'], 'group_id')]}/{data['employee_id']}"
    return str(data["id" if version == "v1" else THIN_DATA[kind].id_name or "id"])


def _quote(kota: httpx.Client, intent_id: str) -> Json:
    quote: Json = kota.get(f"/group_quote_intents/{intent_id}/quote").json()
    return quote


def listed_events(stack: Stack, version: str) -> list[Json]:
    """All that Kota lists in one version, oldest first."""
    found: list[Json] = []
    query = {"version": version, "page_size": "100", "order_direction": "asc"}
    with _kota(stack) as kota:
        for page in count(1):
            answer = kota.get("/events", params={**query, "page": page})
            answer.raise_for_status()
            found += answer.json()["items"]
            if not answer.json()["has_next_page"]:
                break
    return found


def _kota(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.sandbox_url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=120)
