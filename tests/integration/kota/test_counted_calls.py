from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from app.kota import KotaError
from app.services import open_services
from tests.support.app import Host, settings_for

READ, CREATED = "GET /employees/{employee_id}", "POST /employers"


def counted() -> dict[tuple[str, str], float]:
    """How many exchanges ended how, by operation and outcome."""
    return {
        (sample.labels["operation"], sample.labels["outcome"]): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "kota_bff_kota_request_seconds_count"
    }


def answer(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        raise httpx.ConnectError("made up")
    if request.url.path.endswith("/ee_1"):
        return httpx.Response(200, json={"id": "ee_1"})
    return httpx.Response(404, json={"status": 404, "error_code": "of_any_kind"})


async def test_exchanges_with_kota_are_counted_by_operation_and_outcome_and_name_nobody(
    database_url: str, host: Host
) -> None:
    before = counted()
    async with AsyncExitStack() as stack:
        services = await open_services(
            stack,
            settings_for(database_url, host=host),
            application_name="test",
            kota_transport=httpx.MockTransport(answer),
        )
        kota = services.kota
        await kota.get_employee("ee_1")
        await kota.get_employee("ee_1")
        calls: list[Any] = [kota.get_employee("ee_of_nobody"), kota.create_employer(b"{}", idempotency_key="k")]
        for call in calls:
            with pytest.raises(KotaError):
                await call
    new = {labels: count - before.get(labels, 0) for labels, count in counted().items()}
    assert {labels: count for labels, count in new.items() if count} == {
        (READ, "ok"): 2,
        (READ, "KotaNotFound"): 1,
        (CREATED, "KotaUnreachable"): 1,
    }
