"""The one place that reads the time and sleeps.

Shells (loops, requests) are handed a `Clock`, read it once per unit of work and pass `now` on.
Nothing else calls `datetime.now` or sleeps, so a test owns time by owning the clock.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SteadyClock", "SystemClock"]


class Clock(Protocol):
    """What a shell may know about time."""

    def now(self) -> datetime:
        """The present instant: aware, UTC."""
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return when `at` (aware) has come; at once if it has passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant: aware, UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, at: datetime) -> None:
        """Return when `at` (aware) has come; at once if it has passed.

        The machine's clock may be set back or forward while we sleep, so the rest is measured
        again after each nap and no nap is longer than a minute.
        """
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(min(left, 60.0))


def _machine_seconds() -> float:
    """Seconds that pass evenly, whatever is done to the machine's clock; asleep it goes on."""
    source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(source)


class SteadyClock:
    """The installation's time, which runs evenly: a jump of the machine's clock is not seen.

    It begins with the machine's time and counts from there; `postgres/clock.py` brings it to the
    time that all processes share.
    """

    def __init__(
        self,
        began_at: datetime | None = None,
        seconds: Callable[[], float] = _machine_seconds,
    ) -> None:
        """began_at: aware; None for the machine's. seconds: what it counts by."""
        self._seconds = seconds
        self._origin = (began_at or datetime.now(UTC)) - timedelta(seconds=seconds())
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The present instant: aware, UTC; never before one that it told already."""
        now = self._origin + timedelta(seconds=self._seconds())
        self._last = max(self._last, now)
        return self._last

    def move(self, by: timedelta) -> None:
        """Correct it. Set back, it stands still until it has caught up with what it told."""
        self._origin += by

    def begin_at(self, now: datetime) -> None:
        """Set it, back too: only for a process that has just begun."""
        self._origin = now - timedelta(seconds=self._seconds())
        self._last = now

    async def sleep_until(self, at: datetime) -> None:
        """Return when `at` (aware) has come; at once if it has passed."""
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(min(left, 60.0))
