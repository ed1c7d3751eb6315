"""The sandbox's answers and webhooks, judged by Kota's own document."""

from typing import Any

import pytest

from app.sandbox.countries import COUNTRIES
from app.sandbox.routes import kota_router
from app.sandbox.webhooks import envelope
from tests.contract.judged_sandbox import JudgedSandbox
from tests.contract.kota_openapi import KotaOpenAPI
from tests.kota_bodies import employee_body, employer_body


@pytest.fixture
def judged(kota_openapi: KotaOpenAPI) -> JudgedSandbox:
    return JudgedSandbox(kota_openapi, webhook_versions=["v1", "v2"])


async def people(judged: JudgedSandbox) -> tuple[dict[str, Any], dict[str, Any]]:
    employer = await judged.called("POST", "/employers", json=employer_body())
    return employer, await judged.called("POST", "/employees", json=employee_body(employer["id"]))


def test_the_sandbox_has_no_path_that_kota_does_not_have(kota_openapi: KotaOpenAPI) -> None:
    known = {(method.upper(), template) for template, item in kota_openapi.document["paths"].items() for method in item}
    assert {(route.method, route.template) for route in kota_router().routes} <= known


def test_the_sandbox_knows_kotas_countries(kota_openapi: KotaOpenAPI) -> None:
    assert frozenset(kota_openapi.document["components"]["schemas"]["CountryCode"]["enum"]) == COUNTRIES


async def test_our_example_bodies_are_ones_that_kota_describes(kota_openapi: KotaOpenAPI) -> None:
    assert not kota_openapi.schema_faults(employer_body(), schema="CreateEmployerRequest")
    assert not kota_openapi.schema_faults(employee_body("er_1"), schema="CreateEmployeeRequest")


async def test_employers_and_employees_are_as_described(judged: JudgedSandbox) -> None:
    employer, employee = await people(judged)
    for kind, record in (("employers", employer), ("employees", employee)):
        await judged.called("GET", f"/{kind}")
        await judged.called("GET", f"/{kind}/{record['id']}")
        await judged.called("PUT", f"/{kind}/{record['id']}", json={"metadata": {"id": "changed"}})
        await judged.called("GET", f"/{kind}/none", status=404)
        await judged.called("POST", f"/{kind}", json={}, status=400)
        await judged.called("GET", f"/{kind}", headers={"authorization": ""}, status=401)


async def test_sessions_are_as_described(judged: JudgedSandbox) -> None:
    employer, employee = await people(judged)
    body = {"employer_id": employer["id"], "employee_id": employee["id"]}
    await judged.called("POST", "/embed/sessions", json=body)
    await judged.called("POST", "/hosted/sessions", json=body)
    await judged.called("POST", "/embed/sessions", json={}, status=400)


async def test_events_are_as_described(judged: JudgedSandbox) -> None:
    await people(judged)
    listed = await judged.called("GET", "/events")
    await judged.called("GET", f"/events/{listed['items'][0]['id']}")
    await judged.called("POST", f"/events/{listed['items'][0]['id']}/replay")


async def test_webhooks_are_as_described(judged: JudgedSandbox) -> None:
    await people(judged)
    await judged.post("/_control/advance", json={"clock_seconds": 10})
    seen = set()
    for event in judged.sandbox.world.store.all("event"):
        body = envelope(event)
        seen.add((body["type"], event.private["version"]))
        schema = judged.openapi.webhooks[body["type"], event.private["version"]]
        assert not judged.openapi.schema_faults(body, schema=schema)
    assert seen == {
        (f"{kind}.{what}", version)
        for kind in ("employer", "employee")
        for what in ("created", "updated")
        for version in ("v1", "v2")
    }
