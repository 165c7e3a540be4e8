"""The API, put together: what answers each path, and the console beside it."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from linegate.accept.accept_bulk import Acceptor
from linegate.accept.import_bulk import Importer
from linegate.api.app import Messages, Notifications, Operators, Routes, create_app
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
from linegate.dispatch.receipts import Receipts
from linegate.domain.ids import IdMaker
from linegate.line.catalogue import load_catalogue
from linegate.metrics import Metrics
from linegate.postgres.directory import next_process_number
from linegate.postgres.store import Store
from linegate.relay.inbox import RelayInbox
from linegate.report.logbook import Logbook
from linegate.report.puller import Puller
from linegate.sealing import account_context, sender_context
from linegate.shape.steering import Steering
from linegate.sms_worker import sms_webhook
from linegate.tracing import Tracer, open_tracer
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard

__all__ = ["add_tracer", "build_api"]

_LINGER = timedelta(milliseconds=8)  # under load only: a lone request never waits


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
    directory = Directory(store.pool, clock, load_catalogue(settings.line_template_catalogue))
    guard = Guard(allow_private=settings.webhook_allow_private)
    client = await stack.enter_async_context(WebhookClient(guard))
    notifying = _notifying(store, directory, guard, clock)
    intake = Intake(
        directory,
        body_limit=settings.body_limit,
        destinations_limit=settings.destinations_limit,
    )
    messages = await _messages(stack, store, settings, clock, metrics, directory, intake)
    routes = Routes(
        messages=messages,
        sessions=Sessions(directory, clock),
        applications=Provisioning(store.pool, directory, clock, "application"),
        entities=Provisioning(store.pool, directory, clock, "entity"),
        operators=_operators(Desk(store.pool, directory, store.vault, clock)),
        notifications=_notifications(notifying, client),
        line_webhook=_line_webhook(stack, store, clock, metrics, directory),
        sms_webhook=sms_webhook(stack, store, settings, clock, metrics),
        health=Health(
            store.pool,
            Scraped(scrape, DatabaseMetrics(store.pool, clock).families),
            failing,
            loopback_or_key(directory, clock),
        ),
    )
    hands = console_hands(
        store, settings, clock, directory, intake, messages.send, notifying, client
    )
    console = Console(store, clock, hands, guard, simulator_url=_simulator_url(settings))
    tracer = add_tracer(stack, settings, clock, metrics, "api")
    return create_app(routes, console.routes(), metrics, tracer)


async def _messages(
    stack: AsyncExitStack,
    store: Store,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    directory: Directory,
    intake: Intake,
) -> Messages:
    pool, body_limit = store.pool, settings.body_limit
    async with pool.acquire() as conn:
        ids = IdMaker(await next_process_number(conn))
    acceptor = Acceptor(pool, ids, linger=_LINGER)
    stack.push_async_callback(acceptor.aclose)
    gate = _gate(stack, store, settings, directory)
    return Messages(
        send=Send(directory, acceptor, gate, clock, metrics, intake),
        imports=Import(directory, Importer(pool, ids), gate, clock, metrics, body_limit),
        bulks=Bulks(directory, Steering(pool), clock),
        reports=Reports(directory, Puller(pool, clock, metrics), clock),
        logs=Logs(directory, Logbook(pool, clock), clock),
        statistics=Statistics(pool, directory, clock),
        templates=Templates(directory, pool, clock, body_limit=body_limit),
        validate=Validate(directory, pool, clock, intake),
        preview=Preview(directory, clock, intake),
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


def _operators(desk: Desk) -> Operators:
    return Operators(Operator(desk), OperatorAccess(desk), OperatorParts(desk))


def _notifying(store: Store, directory: Directory, guard: Guard, clock: Clock) -> Notifying:
    return Notifying(
        directory,
        store.pool,
        clock,
        lambda name, what, sealed: store.vault.open(sealed, context=account_context(name, what)),
        lambda name, what, text: store.vault.seal(text, context=account_context(name, what)),
        guard.refusal_of,
    )


def _notifications(notifying: Notifying, client: WebhookClient) -> Notifications:
    return Notifications(
        Subscriptions(notifying),
        Profiles(notifying),
        SecuritySettings(notifying),
        ClientCertificates(notifying, client),
    )


def _line_webhook(
    stack: AsyncExitStack, store: Store, clock: Clock, metrics: Metrics, directory: Directory
) -> LineWebhook:
    receipts = Receipts(store.pool, clock, metrics, linger=_LINGER)
    stack.push_async_callback(receipts.aclose)
    return LineWebhook(
        directory,
        receipts,
        RelayInbox(store.pool),
        clock,
        metrics,
        lambda name, sealed: store.vault.open(sealed, context=sender_context(name, "secret")),
    )


def add_tracer(
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
