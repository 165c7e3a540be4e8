"""Loop: parks what is due of suspended accounts, and lets it go on when they are resumed.

The claim passes suspended accounts over by itself; parking keeps their messages from running out
of validity meanwhile, and out of the way of everybody else's.
"""

from datetime import timedelta

from linegate.clock import Clock
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.suspension import (
    Suspension,
    end_suspension,
    list_suspended,
    mark_parked,
    park_due,
    unpark,
)

__all__ = ["Suspender"]

_CHUNK = 5000


class Suspender:
    """Parks and unparks. Any number of processes may run one."""

    name = "suspender"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Park over `pool`."""
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Park or unpark a chunk of each account; gives how many messages that were."""
        async with self._pool.acquire() as conn:
            suspensions = await list_suspended(conn)
        moved = 0
        for each in suspensions:
            if each.suspended_at is not None:
                moved += await self._park(each)
            else:
                moved += await self._unpark(each)
        return moved

    async def _park(self, suspension: Suspension) -> int:
        async with transaction(self._pool) as conn:
            await mark_parked(conn, suspension.account_id)
            return await park_due(conn, suspension.account_id, limit=_CHUNK)

    async def _unpark(self, suspension: Suspension) -> int:
        now, shift = self._clock.now(), suspension.lasted
        async with transaction(self._pool) as conn:
            moved = await unpark(conn, suspension.account_id, shift=shift, limit=_CHUNK, now=now)
            if moved == 0:
                await end_suspension(conn, suspension.account_id, shift=shift, now=now)
        return moved
