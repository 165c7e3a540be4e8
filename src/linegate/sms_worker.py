"""What SMS failover runs, put together: a worker's loops, and the API's ear for receipts."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from linegate.api.sms_callbacks import SmsWebhook, callback_url
from linegate.clock import Clock
from linegate.config import Settings
from linegate.dispatch.attempt_log import AttemptLog
from linegate.dispatch.sms_dispatcher import SmsDispatcher
from linegate.dispatch.sms_receipts import SmsReceipts
from linegate.dispatch.sms_routes import OpenTransport, SmsRoutes
from linegate.dispatch.sms_sweeper import SmsKeeper, SmsSweeper
from linegate.domain.transport import OnReceipts, Transport
from linegate.metrics import Metrics
from linegate.postgres.directory import next_process_number
from linegate.postgres.sms_routes import RouteRow
from linegate.postgres.store import Store
from linegate.postgres.wakeup import Wakeup
from linegate.sealing import route_context
from linegate.sms.route_url import RouteUrl, read_route_url
from linegate.sms.transports import make_transport
from linegate.supervisor import Supervisor
from linegate.vault import Vault

__all__ = ["add_sms", "sms_webhook"]

_LINGER = timedelta(milliseconds=4)


async def add_sms(
    stack: AsyncExitStack,
    supervisor: Supervisor,
    wakeup: Wakeup,
    store: Store,
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    attempt_log: AttemptLog,
) -> None:
    """Add the loops of the SMS leg; what they must finish at the end is left to `stack`."""
    async with store.pool.acquire() as conn:
        process = await next_process_number(conn)
    receipts = SmsReceipts(store.pool, clock, metrics, linger=_LINGER)
    stack.push_async_callback(receipts.aclose)
    opened = _transports(store.vault, settings.public_url, clock)
    routes = SmsRoutes(store.pool, clock, process, opened, receipts.taker)
    resends = settings.sms_resend_unknown
    dispatcher = SmsDispatcher(
        store.pool, clock, routes, metrics, resends=resends, attempt_log=attempt_log
    )
    supervisor.add(routes)
    supervisor.add(dispatcher, waker=wakeup.bell("linegate_sms"))
    supervisor.add(SmsKeeper(dispatcher))
    supervisor.add(SmsSweeper(store.pool, clock, metrics, resends=resends))


def sms_webhook(
    stack: AsyncExitStack, store: Store, settings: Settings, clock: Clock, metrics: Metrics
) -> SmsWebhook:
    """What takes the calls of HTTP providers."""
    receipts = SmsReceipts(store.pool, clock, metrics, linger=_LINGER)
    stack.push_async_callback(receipts.aclose)
    urls = _route_urls(store.vault)
    return SmsWebhook(store.pool, receipts, clock, metrics, urls, settings.public_url)


def _route_urls(vault: Vault) -> Callable[[RouteRow], RouteUrl]:
    """What unseals and reads a route's URL."""

    def opened(row: RouteRow) -> RouteUrl:
        return read_route_url(vault.open(row.url, context=route_context(row.account_id, row.name)))

    return opened


def _transports(vault: Vault, public_url: str | None, clock: Clock) -> OpenTransport:
    url_of = _route_urls(vault)

    def opened(row: RouteRow, on_receipts: OnReceipts) -> Transport:
        return make_transport(
            url_of(row),
            clock,
            on_receipts,
            name=row.name,
            callback_url=callback_url(public_url, row.callback_token),
        )

    return opened
