"""The composition root: settings in, a running role out. The only file that knows everything."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from linegate.accept.forgetter import Forgetter
from linegate.accept.remover import ImportRemover
from linegate.api.health import Health, Scraped
from linegate.api.probes import create_probes
from linegate.api_service import add_tracer, build_api
from linegate.clock import Clock
from linegate.config import Settings
from linegate.credentials import token_sources
from linegate.dispatch.attempt_log import AttemptLog
from linegate.dispatch.dispatcher import Dispatcher, DispatchOptions
from linegate.dispatch.ears import Ears
from linegate.dispatch.keeper import LeaseKeeper
from linegate.dispatch.reconciler import Reconciler
from linegate.dispatch.senders import Senders
from linegate.dispatch.suspender import Suspender
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience
from linegate.http_server import served
from linegate.line.client import LineClient, Timeouts
from linegate.metrics import Metrics
from linegate.postgres.clock import kept_time
from linegate.postgres.doctor import connection_room
from linegate.postgres.store import Store, open_store
from linegate.postgres.wakeup import Wakeup
from linegate.relay.relayer import Relayer
from linegate.report.census import Census
from linegate.report.leftovers import Leftovers
from linegate.report.partitioner import Partitioner
from linegate.report.pulse import Pulse
from linegate.report.pusher import Pusher
from linegate.report.retention import Retention
from linegate.report.rollup import Rollup
from linegate.report.teller import TraceTeller
from linegate.sealing import account_context
from linegate.shape.counter import Counter
from linegate.shape.shaper import STALE_AFTER, Shaper
from linegate.sms_worker import add_sms
from linegate.supervisor import Supervisor, failing_loops
from linegate.tracing import Tracer
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard

__all__ = ["opened_store", "running_worker", "serve_api", "served"]

_log = structlog.get_logger()


@asynccontextmanager
async def opened_store(
    settings: Settings, clock: Clock, *, connections: int, application: str, wanted: int = 0
) -> AsyncIterator[Store]:
    """The installation's database, as the settings say; it is logged if it has too little room.

    wanted: connections that this process and its children may open, if not just `connections`.
    """
    async with open_store(
        home=settings.home,
        runtime_folder=settings.runtime_folder,
        database_url=settings.database_url,
        secret_key=settings.secret_key,
        clock=clock,
        connections=connections,
        connections_of_all=settings.connections_of_all,
        application=application,
    ) as store:
        async with store.pool.acquire() as conn:
            room = await connection_room(conn)
        wanted = wanted or connections
        if wanted > room.allowed - room.used:
            _log.warning("database.crowded", wanted=wanted, allowed=room.allowed, used=room.used)
        yield store


async def serve_api(
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    *,
    scrape: Callable[[], CollectorRegistry],
    started: Callable[[str], None],
    failing: Callable[[], Sequence[str]] = tuple,
) -> None:
    """Serve the API until cancelled; `started` is called with its base URL once it listens.

    scrape: what /metrics shows besides the database. failing: what makes /health/ready say 503.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            opened_store(
                settings,
                clock,
                connections=settings.database_connections,
                application="linegate api",
            )
        )
        await stack.enter_async_context(kept_time(store.pool, clock))
        app = await build_api(stack, store, settings, clock, metrics, scrape, failing)
        async with served(app, settings.host, settings.port) as url:
            _log.info("service.started", role="api", url=url)
            started(url)
            await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def running_worker(
    settings: Settings, clock: Clock, metrics: Metrics, *, with_probes: bool = False
) -> AsyncIterator[Supervisor]:
    """A worker's loops, ready; run the supervisor inside of the block.

    with_probes: its health and metrics are served on `metrics_port`, if one is set.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            opened_store(
                settings,
                clock,
                connections=settings.database_connections - 1,  # one more listens
                application="linegate worker",
            )
        )
        await stack.enter_async_context(kept_time(store.pool, clock))
        line = await stack.enter_async_context(_line(settings))
        client = await stack.enter_async_context(
            WebhookClient(Guard(allow_private=settings.webhook_allow_private))
        )
        supervisor = Supervisor(clock, metrics=metrics)
        wakeup = Wakeup(store.dsn, clock=clock)
        attempt_log = AttemptLog(clock, per_second=settings.log_attempts)
        supervisor.add(attempt_log)
        await _add_dispatch(supervisor, wakeup, store, line, settings, clock, metrics, attempt_log)
        await add_sms(stack, supervisor, wakeup, store, settings, clock, metrics, attempt_log)
        tracer = add_tracer(stack, settings, clock, metrics, "worker")
        _add_report(supervisor, wakeup, store, client, clock, metrics, tracer)
        supervisor.add(Retention(store.pool, clock, days=settings.retention_days))
        kept = timedelta(days=settings.retention_days)
        supervisor.add(Leftovers(store.pool, clock, keep_for=kept))
        listening = asyncio.create_task(wakeup.run())
        stack.callback(listening.cancel)
        if with_probes and settings.metrics_port:
            app = _probes(store, metrics, supervisor)
            await stack.enter_async_context(
                served(app, settings.metrics_host, settings.metrics_port)
            )
        yield supervisor


def _line(settings: Settings) -> LineClient:
    return LineClient(
        settings.line_api_url,
        timeouts=Timeouts(total=settings.line_timeout, connect=settings.line_timeout / 2),
        connections=settings.line_connections,
    )


def _probes(store: Store, metrics: Metrics, supervisor: Supervisor) -> ASGIApp:
    return create_probes(
        Health(
            store.pool,
            Scraped(lambda: metrics.registry),
            lambda: failing_loops(supervisor.health()),
        )
    )


async def _add_dispatch(
    supervisor: Supervisor,
    wakeup: Wakeup,
    store: Store,
    line: LineClient,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    attempt_log: AttemptLog,
) -> None:
    patience = Patience(
        resend_after=settings.resend_unknown_after, resend_limit=settings.resend_unknown_limit
    )
    senders = Senders(store.pool, clock, metrics, token_sources(store.vault, line, clock))
    await senders.run_once()
    dispatcher = Dispatcher(
        store.pool,
        clock,
        senders,
        line,
        metrics,
        DispatchOptions(
            patience,
            in_flight=settings.in_flight,
            lease_for=settings.lease_for,
            stale=STALE_AFTER,
        ),
        attempt_log,
    )
    supervisor.add(dispatcher, waker=wakeup.bell("linegate_due"))
    supervisor.add(LeaseKeeper(dispatcher, every=settings.lease_for / 3))
    supervisor.add(senders)
    supervisor.add(Sweeper(store.pool, clock, patience, metrics))
    supervisor.add(Suspender(store.pool, clock))
    supervisor.add(Reconciler(store.pool, clock, senders, line))
    supervisor.add(Ears(store.pool, clock, metrics, senders.handed_over))
    supervisor.add(Shaper(store.pool, clock, metrics), waker=wakeup.bell("linegate_shape"))
    supervisor.add(Counter(store.pool, clock))
    supervisor.add(ImportRemover(store.pool, clock))


def _add_report(
    supervisor: Supervisor,
    wakeup: Wakeup,
    store: Store,
    client: WebhookClient,
    clock: Clock,
    metrics: Metrics,
    tracer: Tracer | None,
) -> None:
    pusher = Pusher(
        store.pool,
        clock,
        client,
        lambda name, what, sealed: store.vault.open(sealed, context=account_context(name, what)),
        metrics,
        tracer,
    )
    if tracer is not None:
        supervisor.add(TraceTeller(store.pool, clock, tracer))
    supervisor.add(pusher, waker=wakeup.bell("linegate_report"))
    supervisor.add(Partitioner(store.pool, clock))
    supervisor.add(Pulse(store.pool, clock))
    supervisor.add(Rollup(store.pool, clock))
    supervisor.add(Census(store.pool, metrics))
    supervisor.add(Forgetter(store.pool, clock))
    supervisor.add(Relayer(store.pool, clock, client, metrics), waker=wakeup.bell("linegate_relay"))
