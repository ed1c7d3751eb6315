import json
from typing import Any

from app.events.catalogue import KINDS, TYPES, address_of, resource_of
from app.kota import read_envelope
from tests.contract.kota_openapi import KotaOpenAPI
from tests.kota_events import FILES


def test_there_is_an_event_for_every_webhook_of_kotas_and_each_is_as_kota_describes_it(
    kota_openapi: KotaOpenAPI,
) -> None:
    events: dict[tuple[str, str], Any] = {}
    for file in FILES:
        envelope = read_envelope(file.read_bytes())
        assert file.name == f"{envelope.version}.{envelope.type}.json"
        events[envelope.type, envelope.version] = json.loads(file.read_bytes())
    assert set(events) == set(kota_openapi.webhooks)
    faults = {
        f"{version} {type_}": kota_openapi.schema_faults(events[type_, version], schema=schema)
        for (type_, version), schema in kota_openapi.webhooks.items()
    }
    assert {name: found for name, found in faults.items() if found} == {}


def test_every_type_leads_to_a_resource_that_kota_lets_us_read(kota_openapi: KotaOpenAPI) -> None:
    assert {type_ for type_, _ in kota_openapi.webhooks} <= set(TYPES)
    for file in FILES:
        envelope = read_envelope(file.read_bytes())
        resource = resource_of(envelope.type, envelope.data)
        assert resource
        path, ids, query = address_of(resource)
        declared = kota_openapi.document["paths"][path]["get"]["parameters"]
        names = {parameter["name"]: parameter["in"] for parameter in declared}
        assert {name for name, place in names.items() if place == "path"} == set(ids)
        assert {name for name in query if names.get(name) == "query"} == set(query)
    assert {kind.path for kind in KINDS.values()} <= set(kota_openapi.document["paths"])
