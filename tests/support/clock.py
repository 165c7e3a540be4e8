"""A clock that the test owns: nothing really sleeps."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]

_START = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
_TURNS = 50  # of the event loop, for the woken to get as far as they can without I/O


class FakeClock:
    """Stands still until `advance`; sleepers wake in the order of their time."""

    def __init__(self, start: datetime = _START) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0
        self._slept = asyncio.Event()

    def now(self) -> datetime:
        """The present instant of this clock: aware, UTC."""
        return self._now

    async def sleep_until(self, at: datetime) -> None:
        """Return when the test has advanced the clock to `at`."""
        if at <= self._now:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (at, self._count, woken))
        self._slept.set()
        await woken

    async def advance(self, by: timedelta) -> None:
        """Move time on, stopping at each sleeper's instant so that it sees the right `now`.

        Between two wake-ups the event loop turns a number of times. Work that needs I/O may take
        longer: wait for its result, not for the clock.
        """
        target = self._now + by
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not woken.done():
                woken.set_result(None)
                await self.settle()
        self._now = target
        await self.settle()

    async def settle(self) -> None:
        """Let every task that is ready run until it waits for something."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def until_somebody_sleeps(self) -> None:
        """Return when a task sleeps on this clock: for work that does I/O before it rests."""
        while self.next_wake_up is None:
            self._slept.clear()
            await asyncio.wait_for(self._slept.wait(), timeout=30.0)

    @property
    def next_wake_up(self) -> datetime | None:
        """When the earliest sleeper wants to wake, or None if nobody sleeps."""
        waiting = [at for at, _, woken in self._sleepers if not woken.done()]
        return min(waiting, default=None)
