"""The sending speed limit: evenly spaced slots, and no catching up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

__all__ = ["Pace", "Unit", "pace_of"]

Unit = Literal["MINUTE", "HOUR", "DAY"]

_UNITS = {
    "MINUTE": timedelta(minutes=1),
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1),
}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """`amount` messages a `unit`, one every unit/amount."""

    amount: int
    unit: timedelta

    def slots(
        self, free_at: datetime, *, now: datetime, until: datetime, limit: int
    ) -> tuple[list[datetime], datetime]:
        """The slots before `until`, at most `limit`, and when the next one is free.

        free_at: the next slot as it was left. One that has passed is not made up for: the pace
                 goes on from `now`, so that a pause or a crash is never followed by a burst.
        """
        first = max(free_at, now)
        room = until - first
        if room <= timedelta(0) or limit <= 0:
            return [], max(free_at, now) if free_at < now else free_at
        # As many k with first + k * unit / amount < until, in whole microseconds.
        count = min(limit, -(-(room // _MICROSECOND) * self.amount // (self.unit // _MICROSECOND)))
        return [self._after(first, k) for k in range(count)], self._after(first, count)

    def _after(self, first: datetime, k: int) -> datetime:
        """The k-th slot after `first`, rounded up: never faster than the limit."""
        return first + timedelta(microseconds=-(-k * (self.unit // _MICROSECOND) // self.amount))


def pace_of(amount: int, unit: Unit | None) -> Pace:
    """The pace asked for. No unit: a minute. Source: published SendingSpeedLimit."""
    return Pace(amount, _UNITS[unit or "MINUTE"])
