"""Loop: counts what senders hand over without hearing an event, and tells which are deaf."""

from collections import Counter
from datetime import timedelta

import structlog

from linegate.clock import Clock
from linegate.domain.hearing import is_deaf
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.sms_receipts import count_unheard, load_ears, mark_deaf

__all__ = ["Ears"]

_log = structlog.get_logger()


class Ears:
    """Any number may run: counts are added up in the database."""

    name = "ears"
    interval = timedelta(seconds=1)

    def __init__(
        self, pool: Pool, clock: Clock, metrics: Metrics, handed_over: Counter[int]
    ) -> None:
        """`handed_over`: by sender, what this process handed over since we looked; we empty it."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._handed_over = handed_over

    async def run_once(self) -> int:
        """Write the counts, mark who is deaf; gives 0, as there is never more to do at once."""
        now = self._clock.now()
        counted = dict(self._handed_over)
        async with self._pool.acquire() as conn:
            if counted:
                await count_unheard(conn, counted, now=now)
                self._handed_over.subtract(counted)
                for sender_id in [id_ for id_, count in self._handed_over.items() if not count]:
                    del self._handed_over[sender_id]
            deaf = [
                ear
                for ear in await load_ears(conn)
                if ear.deaf_at is None and is_deaf(ear.unheard, ear.unheard_since, now)
            ]
            if deaf:
                await mark_deaf(conn, [ear.sender_id for ear in deaf], now=now)
        for ear in deaf:
            self._metrics.deaf.inc()
            _log.warning("sender.deaf", sender_id=ear.sender_id, unheard=ear.unheard)
        return 0
