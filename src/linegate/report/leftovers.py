"""Loop: reports that will never be pushed go when their message goes, and traces never told.

Given up, they are kept for the operator to replay; one whose message was removed could not even be
written. Both would stay for ever, since `push` is no table of days.
"""

from datetime import timedelta

from linegate.clock import Clock
from linegate.domain.ids import day_start
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import forget_pushes
from linegate.postgres.traces import forget_untold

__all__ = ["Leftovers"]

_AT_ONCE = 5000


class Leftovers:
    """Removes them, a few thousand at a time."""

    name = "report leftovers"
    interval = timedelta(hours=1)

    def __init__(self, pool: Pool, clock: Clock, *, keep_for: timedelta) -> None:
        """Remove over `pool` what is older than `keep_for`."""
        self._pool = pool
        self._clock = clock
        self._keep_for = keep_for

    async def run_once(self) -> int:
        """Remove some; gives how many, 0 when there is nothing left to remove."""
        before = self._clock.now() - self._keep_for
        before_id = day_start(before.date())
        async with self._pool.acquire() as conn:
            untold = await forget_untold(conn, before_id=before_id, limit=_AT_ONCE)
            return untold + await forget_pushes(
                conn, before_id=before_id, given_up_before=before, limit=_AT_ONCE
            )
