"""Loop: what is kept for a while and has expired goes."""

from datetime import timedelta

from linegate.accept.once import KEPT_FOR
from linegate.clock import Clock
from linegate.postgres.idempotency import forget_keys
from linegate.postgres.identities import forget_tokens
from linegate.postgres.pool import Pool

__all__ = ["Forgetter"]

_AT_ONCE = 1000


class Forgetter:
    """Removes Idempotency-Keys and login tokens whose time is over."""

    name = "forgetter"
    interval = timedelta(minutes=1)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Forget over `pool`."""
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Forget up to 1,000 of each; gives how many."""
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            keys = await forget_keys(conn, expired=now - KEPT_FOR, limit=_AT_ONCE)
            return keys + await forget_tokens(conn, limit=_AT_ONCE, now=now)
