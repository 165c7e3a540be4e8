"""LINE's delivery events end messages. An event is on disk before LINE gets its 200."""

from collections.abc import Sequence
from datetime import timedelta

from linegate.clock import Clock
from linegate.group_commit import GroupCommit
from linegate.metrics import Metrics
from linegate.postgres.dispatching import Arrived, deliver, record_late
from linegate.postgres.pool import Pool

__all__ = ["Receipts"]

_PER_COMMIT = 1000
_WAITING = 50_000


class Receipts:
    """Takes events of concurrent calls and writes them together."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics, *, linger: timedelta) -> None:
        """Write over `pool`; `linger` is how long a small group may wait for company."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._group: GroupCommit[Sequence[Arrived], None] = GroupCommit(
            self._flush,
            max_items=_PER_COMMIT,
            max_weight=_PER_COMMIT,
            weigh=len,
            capacity=_WAITING,
            linger=linger,
            writers=1,
        )

    async def take(self, events: Sequence[Arrived]) -> None:
        """Write the events of one call. When this returns, they are on disk.

        Raises: Overloaded when too many calls wait for the database; what the database raises.
        """
        if events:
            await self._group.submit(events)

    async def aclose(self) -> None:
        """Write what waits, then stop."""
        await self._group.aclose()

    async def _flush(self, group: Sequence[Sequence[Arrived]]) -> list[None]:
        # One event per attempt and sender: LINE may repeat one within a call, and a sender that
        # tells of another's message must not push out the true event beside it.
        events = list({each[:3]: each for call in group for each in call}.values())
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            ended = await deliver(conn, events, now=now)
            rest = [event for event in events if event.message_id not in ended]
            late = await record_late(conn, rest, now=now) if rest else 0
        self._metrics.events.labels("delivered").inc(len(ended))
        self._metrics.events.labels("late").inc(late)
        self._metrics.events.labels("unknown").inc(len(rest) - late)
        return [None] * len(group)
