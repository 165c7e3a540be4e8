"""The composition root: settings in, a running role out. The only file that knows everything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from linegate.accept.accept_bulk import Acceptor
from linegate.accept.forgetter import Forgetter
from linegate.accept.import_bulk import Importer
from linegate.accept.remover import ImportRemover
from linegate.api.app import Routes, create_app
from linegate.api.bulks import Bulks
from linegate.api.callbacks import LineWebhook
from linegate.api.client_certificates import ClientCertificates
from linegate.api.database_metrics import DatabaseMetrics
from linegate.api.directory import Directory
from linegate.api.front import Front
from linegate.api.gate import Gate
from linegate.api.health import Health, Scraped
from linegate.api.imports import Import
from linegate.api.intake import Intake
from linegate.api.logs import Logs
from linegate.api.notifying import Notifying
from linegate.api.operator import Operator
from linegate.api.operator_access import OperatorAccess
from linegate.api.operator_desk import Desk
from linegate.api.operator_parts import OperatorParts
from linegate.api.pressure import Pressure
from linegate.api.preview import Preview
from linegate.api.probes import create_probes
from linegate.api.profiles import Profiles
from linegate.api.provisioning import Provisioning
from linegate.api.quotas import Quotas
from linegate.api.reports import Reports
from linegate.api.scraper import loopback_or_key
from linegate.api.security_settings import SecuritySettings
from linegate.api.send import Send
from linegate.api.sessions import Sessions
from linegate.api.statistics import Statistics
from linegate.api.subscriptions import Subscriptions
from linegate.api.templates import Templates
from linegate.api.validate import Validate
from linegate.clock import Clock
from linegate.config import Settings
from linegate.console.app import Console
from linegate.console_hands import console_hands
from linegate.credentials import token_sources
from linegate.dispatch.attempt_log import AttemptLog
from linegate.dispatch.dispatcher import Dispatcher, DispatchOptions
from linegate.dispatch.ears import Ears
from linegate.dispatch.keeper import LeaseKeeper
from linegate.dispatch.receipts import Receipts
from linegate.dispatch.reconciler import Reconciler
from linegate.dispatch.senders import Senders
from linegate.dispatch.suspender import Suspender
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience
from linegate.domain.ids import IdMaker
from linegate.http_server import served
from linegate.line.catalogue import load_catalogue
from linegate.line.client import LineClient, Timeouts
from linegate.metrics import Metrics
from linegate.postgres.clock import kept_time
from linegate.postgres.directory import next_process_number
from linegate.postgres.store import Store, open_store
from linegate.postgres.wakeup import Wakeup
from linegate.relay.inbox import RelayInbox
from linegate.relay.relayer import Relayer
from linegate.report.census import Census
from linegate.report.leftovers import Leftovers
from linegate.report.logbook import Logbook
from linegate.report.partitioner import Partitioner
from linegate.report.puller import Puller
from linegate.report.pulse import Pulse
from linegate.report.pusher import Pusher
from linegate.report.retention import Retention
from linegate.report.rollup import Rollup
from linegate.report.teller import TraceTeller
from linegate.sealing import account_context, sender_context
from linegate.shape.counter import Counter
from linegate.shape.shaper import STALE_AFTER, Shaper
from linegate.shape.steering import Steering
from linegate.sms_worker import add_sms, sms_webhook
from linegate.supervisor import Supervisor, failing_loops
from linegate.tracing import Tracer, open_tracer
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard

__all__ = ["build_api", "opened_store", "running_worker", "serve_api", "served"]

_log = structlog.get_logger()
_LINGER = timedelta(milliseconds=8)  # under load only: a lone request never waits


def opened_store(
    settings: Settings, clock: Clock, *, connections: int, application: str
) -> contextlib.AbstractAsyncContextManager[Store]:
    """The installation's database, as the settings say."""
    return open_store(
        home=settings.home,
        runtime_folder=settings.runtime_folder,
        database_url=settings.database_url,
        secret_key=settings.secret_key,
        clock=clock,
        connections=connections,
        application=application,
    )


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


async def build_api(
    stack: AsyncExitStack,
    store: Store,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    scrape: Callable[[], CollectorRegistry],
    failing: Callable[[], Sequence[str]] = tuple,
) -> Front:
    """The API on an open store; what it must finish at the end is left to `stack`."""
    async with store.pool.acquire() as conn:
        ids = IdMaker(await next_process_number(conn))
    catalogue = load_catalogue(settings.line_template_catalogue)
    directory = Directory(store.pool, clock, catalogue)
    acceptor = Acceptor(store.pool, ids, linger=_LINGER)
    stack.push_async_callback(acceptor.aclose)
    receipts = Receipts(store.pool, clock, metrics, linger=_LINGER)
    stack.push_async_callback(receipts.aclose)
    gate = _gate(stack, store, settings, directory)
    guard = Guard(allow_private=settings.webhook_allow_private)
    client = await stack.enter_async_context(WebhookClient(guard))
    notifying = _notifying(store, directory, guard, clock)
    intake = Intake(
        directory,
        body_limit=settings.body_limit,
        destinations_limit=settings.destinations_limit,
    )
    desk = Desk(store.pool, directory, store.vault, clock)
    send = Send(directory, acceptor, gate, clock, metrics, intake)
    routes = Routes(
        send=send,
        bulks=Bulks(directory, Steering(store.pool), clock),
        imports=Import(
            directory, Importer(store.pool, ids), gate, clock, metrics, settings.body_limit
        ),
        reports=Reports(directory, Puller(store.pool, clock, metrics), clock),
        logs=Logs(directory, Logbook(store.pool, clock), clock),
        line_webhook=LineWebhook(
            directory,
            receipts,
            RelayInbox(store.pool),
            clock,
            metrics,
            lambda name, sealed: store.vault.open(sealed, context=sender_context(name, "secret")),
        ),
        sms_webhook=sms_webhook(stack, store, settings, clock, metrics),
        health=Health(
            store.pool,
            Scraped(scrape, DatabaseMetrics(store.pool, clock).families),
            failing,
            loopback_or_key(directory, clock),
        ),
        sessions=Sessions(directory, clock),
        statistics=Statistics(store.pool, directory, clock),
        operator=Operator(desk),
        operator_access=OperatorAccess(desk),
        operator_parts=OperatorParts(desk),
        applications=Provisioning(store.pool, directory, clock, "application"),
        entities=Provisioning(store.pool, directory, clock, "entity"),
        subscriptions=Subscriptions(notifying),
        profiles=Profiles(notifying),
        security=SecuritySettings(notifying),
        certificates=ClientCertificates(notifying, client),
        templates=Templates(directory, store.pool, clock, body_limit=settings.body_limit),
        validate=Validate(directory, store.pool, clock, intake),
        preview=Preview(directory, clock, intake),
    )
    hands = console_hands(store, settings, clock, directory, intake, send, notifying)
    console = Console(store, clock, hands, guard, simulator_url=_simulator_url(settings))
    tracer = _tracer(stack, settings, clock, metrics, "api")
    return create_app(routes, console.routes(), metrics, tracer)


def _tracer(
    stack: AsyncExitStack, settings: Settings, clock: Clock, metrics: Metrics, role: str
) -> Tracer | None:
    """What traces, if the settings say so; closed with `stack`."""
    tracer = open_tracer(
        settings.trace_endpoint,
        share=settings.trace_share,
        role=role,
        clock=clock,
        metrics=metrics,
    )
    if tracer is not None:
        stack.push_async_callback(tracer.aclose)
    return tracer


def _simulator_url(settings: Settings) -> str | None:
    """Where a simulated LINE may be asked what phones show; None beside the real one."""
    host = urlsplit(settings.line_api_url).hostname
    return settings.line_api_url if host in ("127.0.0.1", "localhost", "::1") else None


def _notifying(store: Store, directory: Directory, guard: Guard, clock: Clock) -> Notifying:
    return Notifying(
        directory,
        store.pool,
        clock,
        lambda name, what, sealed: store.vault.open(sealed, context=account_context(name, what)),
        lambda name, what, text: store.vault.seal(text, context=account_context(name, what)),
        guard.refusal_of,
    )


def _gate(stack: AsyncExitStack, store: Store, settings: Settings, directory: Directory) -> Gate:
    quotas = Quotas(store.pool)
    stack.push_async_callback(quotas.aclose)
    pressure = Pressure(
        store.pool,
        home=settings.home if settings.is_embedded else None,
        disk_reserve=settings.disk_reserve,
        waiting_limit=settings.waiting_limit,
    )
    return Gate(directory, quotas, pressure)


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
        line = await stack.enter_async_context(
            LineClient(
                settings.line_api_url,
                timeouts=Timeouts(total=settings.line_timeout, connect=settings.line_timeout / 2),
                connections=settings.line_connections,
            )
        )
        client = await stack.enter_async_context(
            WebhookClient(Guard(allow_private=settings.webhook_allow_private))
        )
        supervisor = Supervisor(clock, metrics=metrics)
        wakeup = Wakeup(store.dsn, clock=clock)
        attempt_log = AttemptLog(clock, per_second=settings.log_attempts)
        supervisor.add(attempt_log)
        await _add_dispatch(supervisor, wakeup, store, line, settings, clock, metrics, attempt_log)
        await add_sms(stack, supervisor, wakeup, store, settings, clock, metrics, attempt_log)
        tracer = _tracer(stack, settings, clock, metrics, "worker")
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
