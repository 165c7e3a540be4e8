"""Loop: LINE's calls go on to the bots behind the senders, raw body and signature unchanged.

A bot that is away is tried again after 1, 2, 4, ... 300 seconds for 24 hours. Calls of one sender
are forwarded several at a time: LINE promises no order either. A slow bot holds its own share of
the places and no more. A call may reach a bot twice (after a crash or a lost answer), as LINE's own
may: bots know repeats by `webhookEventId`.

Source: Messaging API reference, "Webhooks" (order, redelivery; FACTS A3.3).
"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.relays import DueRelay, claim_relays, defer_relay, end_relay, forget_relays
from linegate.webhook.client import PushKind, WebhookClient

__all__ = ["KEPT_FOR", "Relayer"]

KEPT_FOR = timedelta(hours=24)
"""How long a call waits for its bot."""

_AT_ONCE = 64
_PER_SENDER = 8
_LEASE = timedelta(seconds=60)  # well above the webhook client's longest try
_LONGEST_PAUSE = timedelta(minutes=5)
_FORGET_EVERY = timedelta(minutes=1)
_CONTENT_TYPE = "application/json; charset=utf-8"
_log = structlog.get_logger()


class Relayer:
    """Forwards what is due. Any number of processes may run one."""

    name = "relayer"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock, client: WebhookClient, metrics: Metrics) -> None:
        """Call bots through `client`, which refuses addresses of our own network."""
        self._pool = pool
        self._clock = clock
        self._client = client
        self._metrics = metrics
        self._running: dict[asyncio.Task[None], int] = {}
        self._forget_at: datetime | None = None

    async def run_once(self) -> int:
        """Begin to forward what there is room for; gives how many calls."""
        await self._forget()
        if len(self._running) >= _AT_ONCE:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        self._reap()
        now = self._clock.now()
        under_way = Counter(self._running.values())
        async with self._pool.acquire() as conn:
            due = await claim_relays(
                conn,
                busy=[sender for sender, count in under_way.items() if count >= _PER_SENDER],
                each=_PER_SENDER,
                limit=_AT_ONCE - len(self._running),
                lease_until=now + _LEASE,
                now=now,
            )
        for relay in due:
            self._running[asyncio.create_task(self._forward(relay))] = relay.sender_id
        return len(due)

    async def aclose(self) -> None:
        """Finish what is under way."""
        if self._running:
            await asyncio.wait(self._running)
        self._reap()

    def _reap(self) -> None:
        """Let go of what ended; raise what it raised, for the supervisor to tell."""
        for task in [each for each in self._running if each.done()]:
            del self._running[task]
            task.result()

    async def _forward(self, relay: DueRelay) -> None:
        outcome = await self._client.post(
            relay.url,
            body=relay.body,
            content_type=_CONTENT_TYPE,
            headers={"X-Line-Signature": relay.signature},
        )
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            if outcome.kind is PushKind.TAKEN:
                await end_relay(conn, relay.id)
            else:
                await defer_relay(conn, relay, due_at=now + _pause(relay.tries))
        taken = outcome.kind is PushKind.TAKEN
        self._metrics.relayed.labels("taken" if taken else "failed").inc()
        if not taken and relay.tries == 1:
            _log.warning(
                "relay.failed",
                sender_id=relay.sender_id,
                code=outcome.code,
                detail=outcome.detail,
            )

    async def _forget(self) -> None:
        now = self._clock.now()
        if self._forget_at is not None and now < self._forget_at:
            return
        self._forget_at = now + _FORGET_EVERY
        async with self._pool.acquire() as conn:
            gone = await forget_relays(conn, expired=now - KEPT_FOR, limit=1000)
        self._metrics.relayed.labels("given_up").inc(gone)


def _pause(tries: int) -> timedelta:
    """How long to wait after so many tries that failed."""
    return min(timedelta(seconds=2 ** min(tries - 1, 16)), _LONGEST_PAUSE)
