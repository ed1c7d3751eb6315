"""The webhook endpoint that Kota knows: the one from the settings."""

from app.sandbox.catalogue import EVENT_TYPES
from app.sandbox.clock import iso
from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.problems import missing
from app.sandbox.store import Json
from app.sandbox.world import World

ENDPOINT_ID = "whe_00000000000000000000000000000001"


def list_endpoints(world: World, _call: Call) -> Answer:
    items = [_endpoint(world)] if world.deliveries.endpoint else []
    return json_answer(
        {
            "items": items,
            "page": 1,
            "page_size": len(items),
            "total_count": len(items),
            "has_next_page": False,
            "has_previous_page": False,
        }
    )


def get_endpoint(world: World, call: Call) -> Answer:
    if not world.deliveries.endpoint or call["webhook_endpoint_id"] != ENDPOINT_ID:
        raise missing("webhook endpoint")
    return json_answer(_endpoint(world))


def _endpoint(world: World) -> Json:
    return {
        "id": ENDPOINT_ID,
        "endpoint_url": world.deliveries.endpoint,
        "subscribed_events": sorted(EVENT_TYPES),
        "created_at": iso(world.started_at),
        "object": "webhook_endpoint",
    }
