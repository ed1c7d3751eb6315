"""The HTTP application. A root: it makes what the process needs, and hands it down."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Literal

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncEngine

from app.audit.routes import router as audit_router
from app.auth.authenticators import open_authenticators
from app.auth.metrics_route import router as metrics_router
from app.contributions.routes import router as contributions_router
from app.db.engine import create_engine
from app.events.routes import router as events_router
from app.notifications.routes import router as notifications_router
from app.ops.logging import configure_logging
from app.ops.processes import collect_less, end_with_parent
from app.outbox.routes import router as outbox_router
from app.privacy.routes import router as privacy_router
from app.services import Services, open_services
from app.sessions.routes import router as sessions_router
from app.settings import Settings, load_settings
from app.sync.batch_routes import router as batches_router
from app.sync.offboarding.routes import router as offboarding_router
from app.sync.routes import router as sync_router
from app.sync.uploads import Uploads
from app.web.cors import CORS
from app.web.docs_page import install_docs_page
from app.web.express import Express
from app.web.health import router as health_router
from app.web.middleware import RequestContext
from app.web.openapi import install_openapi
from app.web.problems import install_problem_handlers
from app.webhooks.intake import Intake
from app.webhooks.routes import router as webhooks_router

# Routes are tried in this order, the busiest first; deliveries go past all of them.
ROUTERS = (
    sessions_router,
    health_router,
    metrics_router,
    sync_router,
    batches_router,
    offboarding_router,
    events_router,
    outbox_router,
    audit_router,
    notifications_router,
    contributions_router,
    privacy_router,
    webhooks_router,
)
ON_BOTH_SIDES = {"/health/live", "/health/ready", "/metrics"}


def create_app(settings: Settings | None = None, *, kota_transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The application; uvicorn calls it in every process of `serve`. Raises BadConfiguration.

    `kota_transport` takes the place of the network to Kota.
    """
    settings = settings or load_settings()
    configure_logging(level=settings.log_level, fmt=settings.log_format)
    app = FastAPI(
        title="kota-bff",
        version=version("kota-bff"),
        description="The server side of Kota's embedded benefits.",
        lifespan=lambda app: _lifespan(app, settings, kota_transport),
        docs_url=None,
        redoc_url=None,
        # Two addresses of one thing are one too many.
        redirect_slashes=False,
        # Their spans would carry the texts of exceptions, which may quote a row. Metrics and log lines are ours.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install_problem_handlers(app)
    install_openapi(app)
    for router in ROUTERS:
        app.include_router(part_of(router, settings.serve_only))
    if settings.docs_enabled:
        install_docs_page(app)
    if settings.frontend_origins:
        app.add_middleware(
            CORS,
            allow_origins=list(settings.frontend_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
            max_age=600,
        )
    app.add_middleware(Express, router=part_of(webhooks_router, settings.serve_only))
    app.add_middleware(RequestContext)
    return app


def create_served_app() -> FastAPI:
    """`create_app` for a process that does nothing else. Raises BadConfiguration."""
    app = create_app()
    collect_less()
    return app


def part_of(router: APIRouter, only: Literal["public", "internal"] | None) -> APIRouter:
    """The routes of `router` that face the internet, or those that do not; health and metrics are on both sides."""
    if only is None:
        return router
    part = APIRouter()
    part.routes = [
        route
        for route in router.routes
        if isinstance(route, APIRoute)
        and (route.path in ON_BOTH_SIDES or route.path.startswith("/internal") is (only == "internal"))
    ]
    return part


def _inbox_of(stack: AsyncExitStack, services: Services) -> AsyncEngine:
    """What the intake writes through, around a pooler and beside the pool: no request can make a delivery wait."""
    engine = create_engine(
        services.settings.direct_url,
        keyring=services.keyring,
        application_name="kota-bff intake",
        # One that stores, one that rings.
        pool_size=2,
    )
    stack.push_async_callback(engine.dispose)
    return engine


@asynccontextmanager
async def _lifespan(
    app: FastAPI, settings: Settings, kota_transport: httpx.AsyncBaseTransport | None
) -> AsyncIterator[None]:
    end_with_parent()
    async with AsyncExitStack() as stack:
        services = await open_services(
            stack,
            settings,
            application_name="kota-bff api",
            through_pooler=True,
            kota_transport=kota_transport,
        )
        app.state.services = services
        app.state.authenticators = await open_authenticators(stack, services)
        app.state.uploads = Uploads(settings.batch_uploads)
        app.state.intake = await stack.enter_async_context(Intake(_inbox_of(stack, services)).running())
        yield
