"""The background worker. A root: it composes the lanes and the periodic work of all domains, and outlives them."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from app.auth.authenticators import open_authenticators
from app.auth.metrics_route import router as metrics_router
from app.contributions.looking import reader_of
from app.contributions.work import contributions_lane, contributions_periodic
from app.db.faults import DATABASE_ERRORS
from app.events.periodic import Housekeeping, event_periodic
from app.events.projections import PollIntervals
from app.events.pruning import prune_events
from app.events.reconcile import Reconciler, reconcile_soon
from app.events.work import ReadingRules, event_lanes
from app.kota import key_fingerprint
from app.notifications.pruning import prune_notifications
from app.ops.logging import configure_logging
from app.outbox.delivery import Host, open_host
from app.outbox.work import DeliveryRules, outbox_lane
from app.privacy.work import privacy_periodic
from app.queue.backoff import Backoff
from app.queue.lanes import Lane, run_lane
from app.queue.periodic import Periodic, run_periodic
from app.queue.tasks import CANCELLATION, cancel
from app.services import Services, open_services
from app.sessions.pruning import prune_counts, prune_grants
from app.settings import BadConfiguration, Settings
from app.sync.work import SyncRules, sync_lanes, sync_periodic
from app.web.health import router as health_router
from app.web.middleware import RequestContext
from app.web.problems import install_problem_handlers
from app.web.protocol import SERVER_OPTIONS
from app.webhooks.dead_letters import prune_dead_letters

log = structlog.get_logger(__name__)


def lanes_of(services: Services, host: Host | None = None) -> Sequence[Lane[Any]]:
    """Every kind of job there is. Without `host` there is nobody to tell."""
    return [
        *sync_lanes(sessions=services.sessions, kota=services.kota, rules=sync_rules(services.settings)),
        *_event_lanes(services),
        *_outbox_lanes(services, host),
        contributions_lane(reader_of(services)),
    ]


def _event_lanes(services: Services) -> Sequence[Lane[Any]]:
    settings = services.settings
    return event_lanes(
        services.sessions,
        kota=services.kota,
        keyring=services.keyring,
        lookup_key=services.lookup_key,
        reading=ReadingRules(
            lease=settings.resource_lease,
            backoff=Backoff(settings.event_retry_first, settings.event_retry_longest),
            polls=PollIntervals(
                records_first=settings.status_poll_first,
                records_later=settings.status_poll_later,
                offers=settings.offer_poll_every,
            ),
        ),
        clock=_now,
    )


def _outbox_lanes(services: Services, host: Host | None) -> Sequence[Lane[Any]]:
    settings = services.settings
    if host is None:
        return []
    rules = DeliveryRules(
        lease=settings.outbox_lease,
        backoff=Backoff(settings.outbox_retry_first, settings.outbox_retry_longest),
        give_up_after=settings.outbox_give_up_after,
    )
    return [outbox_lane(services.sessions, host=host, rules=rules, clock=_now)]


def periodic_of(services: Services) -> Sequence[Periodic]:
    """Everything that is done now and then."""
    return [
        *sync_periodic(sessions=services.sessions, kota=services.kota, rules=sync_rules(services.settings), clock=_now),
        *_event_periodic(services),
        contributions_periodic(services.sessions, services.kota, every=services.settings.reports_every),
        *privacy_periodic(
            sessions=services.sessions, keyring=services.keyring, after=services.settings.erase_offboarded_after
        ),
        *_pruning(services),
    ]


def _event_periodic(services: Services) -> Sequence[Periodic]:
    settings = services.settings
    return event_periodic(
        services.sessions,
        reconciler=Reconciler(
            services.engine,
            services.sessions,
            services.kota,
            services.keyring,
            settings.kota_events_version,
            clock=_now,
        ),
        rules=Housekeeping(
            reconcile_every=settings.reconcile_every,
            reconcile_lease=settings.reconcile_lease,
            expire_every=settings.expire_every,
        ),
        clock=_now,
    )


def _pruning(services: Services) -> Sequence[Periodic]:
    """What is old is forgotten, each kind by the room that it belongs to."""
    settings, sessions = services.settings, services.sessions
    forget: Mapping[str, Callable[[], Awaitable[None]]] = {
        "events": partial(prune_events, sessions, after=settings.retain_events),
        # They go with the events that caused them.
        "notifications": partial(prune_notifications, sessions, after=settings.retain_events),
        "dead_letters": partial(prune_dead_letters, sessions, after=settings.retain_dead_letters),
        "session_grants": partial(prune_grants, sessions, after=settings.retain_grants),
        "session_counts": partial(prune_counts, sessions),
    }
    return [Periodic(f"{what}.prune", settings.prune_every, run) for what, run in forget.items()]


def _now() -> datetime:
    return datetime.now(UTC)


def sync_rules(settings: Settings) -> SyncRules:
    """What the settings say about pushes."""
    return SyncRules(
        api_key=key_fingerprint(settings.kota_api_key.get_secret_value()),
        in_flight=settings.kota_max_in_flight,
        lease=settings.push_lease,
        backoff=Backoff(settings.push_retry_first, settings.push_retry_longest),
        idempotency_window=settings.idempotency_window,
        look_up_after=settings.look_up_after,
        probe_every=settings.push_probe_every,
        restored=settings.restored,
        retain_batches=settings.retain_batch_lines,
    )


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is in flight and hand back the rest."""
    configure_logging(level=settings.log_level, fmt=settings.log_format)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        services = await open_services(stack, settings, application_name="kota-bff worker")
        await stack.enter_async_context(ops_server(services, stack))
        await _reconcile_at_start(services)
        await work_until(services, stop, host=await _open_host(stack, settings))
    log.info("worker.stopped")


async def _reconcile_at_start(services: Services) -> None:
    """What was delivered while nobody took it is wanted now, and not when the last run's time is up."""
    try:
        async with services.sessions.begin() as session:
            await reconcile_soon(session)
    except DATABASE_ERRORS as error:
        log.warning("worker.reconcile.postponed", error=type(error).__name__)


async def _open_host(stack: AsyncExitStack, settings: Settings) -> Host | None:
    if settings.host_webhook_url is None or settings.host_webhook_secret is None:
        return None
    return await stack.enter_async_context(
        open_host(
            url=settings.host_webhook_url,
            secret=settings.host_webhook_secret.get_secret_value(),
            within=settings.outbox_timeout,
        )
    )


@asynccontextmanager
async def ops_server(services: Services, stack: AsyncExitStack) -> AsyncIterator[None]:
    """Health and metrics on `OPS_PORT`, 0 for any free one."""
    app = FastAPI(openapi_url=None)
    install_problem_handlers(app)
    app.include_router(health_router)
    app.include_router(metrics_router)
    app.add_middleware(RequestContext)
    app.state.services = services
    app.state.authenticators = await open_authenticators(stack, services)
    host, port = services.settings.ops_host, services.settings.ops_port
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise BadConfiguration(f"OPS_PORT: cannot listen on {host}:{port} ({error.strerror})") from error
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **SERVER_OPTIONS))
    # The worker decides about signals.
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]  # uvicorn has no switch for it.
    task = asyncio.create_task(server.serve(sockets=[listening]))
    log.info("worker.started", ops_port=listening.getsockname()[1])
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def work_until(services: Services, stop: asyncio.Event, *, host: Host | None = None) -> None:
    """Run everything until `stop` is set; what has not ended a grace period later is cancelled.

    What is cancelled loses nothing: its lease runs out, and somebody does it again.
    """
    settings = services.settings
    runs = [
        run_lane(
            lane,
            sessions=services.sessions,
            bell=services.bell,
            stop=stop,
            look_every=settings.look_every,
            grace=settings.shutdown_grace,
        )
        for lane in lanes_of(services, host)
    ] + [run_periodic(task, sessions=services.sessions, stop=stop) for task in periodic_of(services)]
    tasks = [asyncio.create_task(run) for run in runs]
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if stopped not in done:
        # A loop of the queue ended by itself: that is a fault of ours, and half a worker is worse than none.
        stop.set()
    log.info("worker.stopping", grace_seconds=settings.shutdown_grace.total_seconds())
    # The loops keep to the grace period by themselves, unless the database hangs while they write.
    await asyncio.wait([stopped, *tasks], timeout=(settings.shutdown_grace + CANCELLATION).total_seconds())
    await cancel(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
