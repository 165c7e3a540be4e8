"""Loop: counts what is unfinished of large bulks, and notices when a bulk is finished."""

from datetime import timedelta

from linegate.clock import Clock
from linegate.postgres.pool import Pool
from linegate.postgres.steering import count_steps, objects_of, uncounted_runs, write_counts

__all__ = ["Counter"]

_EVERY = timedelta(seconds=5)
_AT_ONCE = 20
_MOST = 5_000_000


class Counter:
    """Counts bulks under way. Any number of processes may run one."""

    name = "bulk counter"
    interval = timedelta(seconds=2)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Count over `pool`."""
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Count the bulks that nobody has counted for five seconds; gives how many if many."""
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            runs = await uncounted_runs(conn, before=now - _EVERY, limit=_AT_ONCE, now=now)
            for bulk_id, last_id in runs:
                objects = await objects_of(conn, bulk_id, last_id, has_run=True)
                counts = await count_steps(conn, bulk_id, last_id, objects, limit=_MOST)
                if counts is not None:
                    await write_counts(conn, bulk_id, counts, now=now)
        return len(runs) if len(runs) == _AT_ONCE else 0
