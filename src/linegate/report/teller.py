"""Loop: messages of traced requests are told of to the collector when they have ended.

What happened to a message is in the database already, with its instants, so its spans are made of
that: no stage does anything for them, and any worker can tell, also after the one that sent it was
killed. A collector that is away for less than an hour misses nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from linegate.clock import Clock
from linegate.domain.ids import id_time
from linegate.domain.spans import Span, ToldMessage, spans_of
from linegate.postgres.pool import Pool
from linegate.postgres.traces import (
    Untold,
    claim_untold,
    load_told,
    postpone_untold,
    remove_untold,
)
from linegate.tracing import Tracer

__all__ = ["TraceTeller", "next_look"]

_AT_ONCE = 50  # the SDK takes some 100 us for each, in the loop that also sends
_LEASE_FOR = timedelta(seconds=30)
_SOONEST = timedelta(seconds=1)
_LATEST = timedelta(minutes=1)
_AGAIN_AFTER = timedelta(seconds=10)
_TRIED_FOR = timedelta(hours=1)


class TraceTeller:
    """Any number may run: what one looks at is leased."""

    name = "trace teller"
    interval = timedelta(seconds=1)

    def __init__(self, pool: Pool, clock: Clock, tracer: Tracer) -> None:
        """Tell `tracer` of what `pool` holds."""
        self._pool = pool
        self._clock = clock
        self._tracer = tracer

    async def run_once(self) -> int:
        """Look at what it is time for, and tell of what has ended.

        Gives how many were told of, or looked at if there may be more; 0 while nobody takes them.
        """
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            claimed = await claim_untold(
                conn, limit=_AT_ONCE, lease_until=now + _LEASE_FOR, now=now
            )
            ended = [each for each in claimed if each.has_ended]
            open_ = [each.id for each in claimed if not each.has_ended]
            if open_:
                await postpone_untold(conn, [(id_, next_look(id_, now)) for id_ in open_])
            known = await load_told(conn, [each.id for each in ended]) if ended else {}
        if ended and not await self._tell(ended, known):
            return 0
        return len(claimed) if len(claimed) == _AT_ONCE else len(ended)

    async def _tell(self, ended: Sequence[Untold], known: dict[int, ToldMessage]) -> bool:
        """Hand the spans over, if they are taken; else they are tried again, for an hour."""
        spans: list[Span] = [
            span
            for each in ended
            if each.id in known
            for span in spans_of(each.trace, known[each.id])
        ]
        taken = not spans or await self._tracer.export(spans)
        now = self._clock.now()
        over = [
            each.id
            for each in ended
            if taken or each.id not in known or known[each.id].done_at < now - _TRIED_FOR
        ]
        async with self._pool.acquire() as conn:
            await remove_untold(conn, over)
            if not taken:
                again = now + _AGAIN_AFTER
                await postpone_untold(conn, [(each.id, again) for each in ended])
        return taken


def next_look(message_id: int, now: datetime) -> datetime:
    """When to look again at a message that has not ended: the older, the less often."""
    age = now - id_time(message_id)
    return now + min(max(age / 4, _SOONEST), _LATEST)
