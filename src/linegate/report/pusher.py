"""Loop: delivery reports go to the client's endpoints.

An endpoint is leased by one worker at a time and drained in batches (`drain.py`). Endpoints that
work and endpoints in doubt have places of their own, and every endpoint has one post that needs no
place of another: one that is slow or dead slows itself down and nobody else.
"""

import asyncio
from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.low_water import LowWater
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import (
    Endpoint,
    keep_endpoints,
    lease_endpoints,
    lowest_reports,
    next_push_at,
)
from linegate.report.drain import Drain, Posting
from linegate.report.target import Opened, Targets
from linegate.tracing import Tracer
from linegate.webhook.client import WebhookClient
from linegate.webhook.oauth import Tokens

__all__ = ["Pusher"]

_STEADY_AT_ONCE = 400
_DOUBTFUL_AT_ONCE = 100
_EXTRA_POSTS = 200
_LEASE_FOR = timedelta(seconds=15)  # how long a dead worker keeps its endpoints waiting
_KEEP_EVERY = timedelta(seconds=4)
_MARKED = 200  # endpoints of which is remembered where their reports begin
_LOOK_EVERY = timedelta(milliseconds=20)  # while there is anything in hand


class Pusher:
    """Pushes what is due. Any number of processes may run one."""

    name = "pusher"
    interval = timedelta(seconds=1)

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        client: WebhookClient,
        opened: Opened,
        metrics: Metrics,
        tracer: Tracer | None = None,
    ) -> None:
        """Push through `client`; `opened` opens sealed secrets; traced posts go to `tracer`."""
        self._pool = pool
        self._clock = clock
        self._posting = Posting(
            pool,
            clock,
            client,
            Targets(opened),
            Tokens(client, clock),
            metrics,
            asyncio.Semaphore(_EXTRA_POSTS),
            asyncio.Event(),
            tracer,
        )
        self._turns: dict[asyncio.Task[None], Endpoint] = {}
        self._next_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._kept_at = clock.now()
        self._low: LowWater[int] = LowWater()

    async def run_once(self) -> int:
        """Lease endpoints with reports due and start draining each; gives how many endpoints."""
        self._reap()
        await self._keep()
        if self._is_soon():
            return 0
        steady = sum(1 for endpoint in self._turns.values() if endpoint.is_steady)
        doubtful = len(self._turns) - steady
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            look = self._low.look(self._clock.now())
            leased = await lease_endpoints(
                conn,
                steady=_STEADY_AT_ONCE - steady,
                doubtful=_DOUBTFUL_AT_ONCE - doubtful,
                leased_until=now + _LEASE_FOR,
                now=now,
                look=look,
            )
            if look.ended(self._clock.now()):
                self._low.learn(await lowest_reports(conn, most=_MARKED, look=look), now)
            self._next_at = None if leased else await next_push_at(conn, now=now, look=look)
            self._looked_at = now
        for endpoint in leased:
            since = look.since(endpoint.id)
            turn = asyncio.create_task(Drain(endpoint, self._posting, since).run())
            self._turns[turn] = endpoint
        return len(leased)

    def next_at(self) -> datetime | None:
        """When the next waiting report may be tried."""
        return self._next_at

    async def aclose(self) -> None:
        """Let the posts under way end, and give the endpoints back."""
        self._posting.stopping.set()
        if self._turns:
            await asyncio.wait(self._turns)
        self._reap()

    def _is_soon(self) -> bool:
        """Whether the last look was just now; then the next one comes when it may.

        A bell rings for every commit, and a look at many endpoints costs as much as their reports.
        """
        if not self._turns or self._looked_at is None:
            return False
        may_at = self._looked_at + _LOOK_EVERY
        if self._clock.now() >= may_at:
            return False
        self._next_at = may_at
        return True

    def _reap(self) -> None:
        """Raise what ended a turn, for the supervisor to tell; the lease runs out by itself."""
        for turn in [each for each in self._turns if each.done()]:
            del self._turns[turn]
            turn.result()

    async def _keep(self) -> None:
        """Hold on to the endpoints in hand: a post may take longer than a lease."""
        now = self._clock.now()
        if not self._turns or now - self._kept_at < _KEEP_EVERY:
            return
        self._kept_at = now
        async with self._pool.acquire() as conn:
            await keep_endpoints(conn, list(self._turns.values()), leased_until=now + _LEASE_FOR)
