"""Loop: there is always a partition for the days to come."""

from datetime import timedelta

from linegate.clock import Clock
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.pool import Pool

__all__ = ["Partitioner"]


class Partitioner:
    """Makes partitions ahead."""

    name = "partitioner"
    interval = timedelta(hours=1)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Make them over `pool`."""
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Make what is missing; gives 0, as there is never more to do at once."""
        async with self._pool.acquire() as conn:
            await ensure_partitions(conn, now=self._clock.now())
        return 0
