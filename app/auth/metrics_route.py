"""GET /metrics, for whoever holds a service key with the scope."""

import os

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.auth.callers import MetricsCaller
from app.web.openapi import problems
from app.web.routing import router as new_router

router = new_router(tags=["operation"])


@router.get(
    "/metrics",
    summary="Get metrics in Prometheus' text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(401, 403)},
)
async def metrics(_caller: MetricsCaller) -> Response:
    """Of this process, or of all processes of one `serve --workers N`."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped.
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
