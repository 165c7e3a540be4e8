"""A pusher that is run by hand, and waits for what it has started."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.report.pusher import Pusher
from linegate.webhook.client import WebhookClient, WebhookTimeouts
from linegate.webhook.guard import Guard
from support.clock import FakeClock

__all__ = ["a_registry", "pushing"]

QUICK = WebhookTimeouts(connect=timedelta(seconds=0.3), total=timedelta(seconds=0.5))
Rounds = Callable[[], Awaitable[None]]


@asynccontextmanager
async def pushing(
    pool: Pool, clock: FakeClock, timeouts: WebhookTimeouts = QUICK
) -> AsyncIterator[Rounds]:
    """Gives what leases everything due and returns when all of it was tried."""
    async with WebhookClient(Guard(allow_private=True), timeouts=timeouts) as client:

        async def once() -> None:
            pusher = Pusher(
                pool, clock, client, lambda _, __, sealed: sealed.decode(), a_registry()
            )
            await pusher.run_once()
            await asyncio.gather(*pusher._turns)
            await pusher.aclose()

        yield once


def a_registry() -> Metrics:
    """Metrics of their own for one test."""
    return Metrics(CollectorRegistry())
