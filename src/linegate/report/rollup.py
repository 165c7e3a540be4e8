"""Loop: what was accepted and what has ended is added up, each exactly once.

Rows of the tally are removed and added to the sums in one transaction. One process adds up at a
time; a reader adds what is still in the tally, so that figures are exact at any moment.
"""

from datetime import timedelta

from linegate.clock import Clock
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.statistics import lock_rollup, roll_tally, rolled_up

__all__ = ["Rollup"]

_AT_ONCE = 5000


class Rollup:
    """Adds up. Any number of processes may run one."""

    name = "rollup"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Add up over `pool`."""
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Move up to 5,000 rows; gives how many if there may be more, else 0."""
        async with transaction(self._pool) as conn:
            if not await lock_rollup(conn):
                return 0
            now = self._clock.now()
            moved = await roll_tally(conn, limit=_AT_ONCE)
            if moved < _AT_ONCE:
                await rolled_up(conn, as_of=now)
                return 0
        return moved
