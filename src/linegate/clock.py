"""The one place that reads the time and sleeps.

Shells (loops, requests) are handed a `Clock`, read it once per unit of work and pass `now` on.
Nothing else calls `datetime.now` or sleeps, so a test owns time by owning the clock.
"""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


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
