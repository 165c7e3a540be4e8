"""Loop: what has ended is added up for the overview, and old sums are forgotten."""

from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.domain.pulse import SPANS
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.pulse import fold_pulse, forget_pulse, lock_pulse

__all__ = ["Pulse"]

_AT_ONCE = 5000
_FORGET_EVERY = timedelta(minutes=5)


class Pulse:
    """Adds up."""

    name = "pulse"
    interval = timedelta(seconds=2)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Add up over `pool`."""
        self._pool = pool
        self._clock = clock
        self._forgot_at: datetime | None = None

    async def run_once(self) -> int:
        """Add up one portion; gives how many rows there were if there may be more."""
        now = self._clock.now()
        async with transaction(self._pool) as conn:
            if not await lock_pulse(conn):
                return 0
            folded = await fold_pulse(conn, limit=_AT_ONCE)
            if self._forgot_at is None or now - self._forgot_at >= _FORGET_EVERY:
                befores = {span.grain: now - 2 * span.lasts for span in SPANS.values()}
                await forget_pulse(conn, befores)
                self._forgot_at = now
        return folded if folded == _AT_ONCE else 0
