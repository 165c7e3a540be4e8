"""Claims: due messages become this process's, and it is remembered where there were some.

A claim must be quick: a message that is begun late has lost its place in the rate. So where dead
entries make a look through everything slow (low_water.py), claims begin at the marks, and the
look through everything is one of its own, between two claims.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from linegate.clock import Clock
from linegate.low_water import Look, LowWater
from linegate.postgres.dispatching import (
    DueMessage,
    DuePart,
    claim_due,
    lowest_due,
    next_due_at,
)
from linegate.postgres.pool import Connection, Pool

__all__ = ["Claimed", "Claims"]


class Claimed(NamedTuple):
    """What a claim brought. next_at: when more is due; None: there was some, or nothing is."""

    messages: list[DueMessage]
    next_at: datetime | None


class Claims:
    """Claims of one process.

    ahead, burst, stale, lease_for: as in DispatchOptions.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        ahead: timedelta,
        burst: timedelta,
        stale: timedelta,
        lease_for: timedelta,
    ) -> None:
        """Claim over `pool`, and know nothing yet."""
        self._pool = pool
        self._clock = clock
        self._ahead = ahead
        self._burst = burst
        self._stale = stale
        self._lease_for = lease_for
        self._low: LowWater[DuePart] = LowWater()

    async def take(self, wanted: Mapping[int, int], limit: int, now: datetime) -> Claimed:
        """Lease at most `limit` due messages, of each sender at most `wanted[sender]`."""
        async with self._pool.acquire() as conn:
            look = self._low.nearby(self._clock.now())
            messages = await claim_due(
                conn,
                wanted=wanted,
                limit=limit,
                burst=self._burst,
                lease_until=now + self._lease_for,
                horizon=now + self._ahead,
                stale=now - self._stale,
                now=now,
                look=look,
            )
            if look.ended(self._clock.now()):
                await self._mark(conn, list(wanted), look)
            elif not look.is_full:
                self._advance(messages)
            if messages:
                return Claimed(messages, None)
            return Claimed([], await next_due_at(conn, list(wanted), now=now))

    async def sweep(self) -> None:
        """Look through everything if it is time: what lies below a mark lowers it."""
        if self._low.is_cheap:
            return
        look = self._low.look(self._clock.now())
        if not look.is_full:
            return
        sender_ids = sorted({sender_id for sender_id, _ in self._low.parts()})
        async with self._pool.acquire() as conn:
            await self._mark(conn, sender_ids, look)
        look.ended(self._clock.now())

    async def _mark(self, conn: Connection, sender_ids: Sequence[int], look: Look[DuePart]) -> None:
        now = self._clock.now()
        self._low.learn(await lowest_due(conn, sender_ids, look=look), now)

    def _advance(self, messages: Sequence[DueMessage]) -> None:
        for message in messages:
            mark = self._low.mark(message.part)
            if mark is not None and message.due_at > mark:
                self._low.reached(message.part, message.due_at)
