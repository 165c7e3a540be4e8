"""LINE's delivery events end messages. An event is on disk before LINE gets its 200."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from linegate.clock import Clock
from linegate.group_commit import GroupCommit
from linegate.metrics import Metrics
from linegate.postgres.dispatching import Arrived, deliver, record_late
from linegate.postgres.pool import Pool
from linegate.postgres.sms import deliver_in_sms_leg
from linegate.postgres.sms_receipts import hear

__all__ = ["Receipts"]

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_HEARD_EVERY = timedelta(seconds=1)
_PER_COMMIT = 1000
_WAITING = 50_000  # events: some 50 MB of them and the calls they came in


class Receipts:
    """Takes events of concurrent calls and writes them together."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics, *, linger: timedelta) -> None:
        """Write over `pool`; `linger` is how long a small group may wait for company."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._heard_at: dict[int, datetime] = {}  # by sender: when the database was last told
        self._group: GroupCommit[Sequence[Arrived], None] = GroupCommit(
            self._flush,
            max_items=_PER_COMMIT,
            max_weight=_PER_COMMIT,
            weigh=len,
            capacity=_WAITING,
            max_waiting=_WAITING,
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
            after_all = await deliver_in_sms_leg(conn, rest, now=now) if rest else {}
            rest = [event for event in rest if event.message_id not in after_all]
            late = await record_late(conn, rest, now=now) if rest else 0
            heard = self._newly_heard({event.sender_id for event in events}, now)
            if heard:
                await hear(conn, heard)
        stopped = sum(after_all.values())
        self._metrics.events.labels("sms_stopped").inc(stopped)
        self._metrics.events.labels("sms_not_stopped").inc(len(after_all) - stopped)
        self._metrics.events.labels("delivered").inc(len(ended))
        self._metrics.resends_spared.inc(sum(ended.values()))
        self._metrics.events.labels("late").inc(late)
        self._metrics.events.labels("unknown").inc(len(rest) - late)
        return [None] * len(group)

    def _newly_heard(self, sender_ids: set[int], now: datetime) -> list[int]:
        """Senders of which the database has not been told for a second that they are heard."""
        found = [
            id_ for id_ in sender_ids if now - self._heard_at.get(id_, _LONG_AGO) >= _HEARD_EVERY
        ]
        self._heard_at.update(dict.fromkeys(found, now))
        return found
