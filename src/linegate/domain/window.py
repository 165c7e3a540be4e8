"""When a message may arrive: days and hours, in a time zone.

A window is open at an instant if the clock on the wall of its zone shows a time inside of it at
that instant. That is the whole rule, and it also says what a change to or from summer time does:
an hour that comes twice is open twice, an hour that is missing is not made up for, and a window
that would open in the missing hour opens when the hour is over.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["DeliveryWindow"]

_DAY = 24 * 60
_QUARTER = timedelta(minutes=15)  # clocks are changed on quarters of an hour only
_SEARCH = 15 * 24 * 4  # quarters: a window of one hour a week may lose one week to a change


@dataclass(frozen=True, slots=True)
class DeliveryWindow:
    """Days and hours when messages may go.

    days:   ISO weekdays (Monday is 1) on which it opens; at least one.
    opens:  minutes after midnight, inclusive; None with `closes`: the whole day.
    closes: exclusive; before `opens` means past midnight: the window belongs to the day it
            opened on. At least an hour after `opens`.
    Source: published DeliveryTimeWindow; wrapping past midnight is ours (decision 9).
    """

    days: frozenset[int]
    opens: int | None
    closes: int | None
    zone: tzinfo = UTC

    def contains(self, at: datetime) -> bool:
        """Whether it is open at an instant (aware)."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today = local.isoweekday()
        if self.opens is None or self.closes is None:
            return today in self.days
        if self.opens < self.closes:
            return today in self.days and self.opens <= minute < self.closes
        yesterday = (today - 2) % 7 + 1
        return (today in self.days and minute >= self.opens) or (
            yesterday in self.days and minute < self.closes
        )

    def next_open(self, at: datetime) -> datetime:
        """The earliest instant from `at` on when it is open.

        at:      aware.
        Returns: aware, UTC; `at` itself if open now, else on a whole minute.
        """
        if self.contains(at):
            return at.astimezone(UTC)
        found = self._turns(at, self.opens or 0, wanted=True)
        if found is None:
            raise ValueError("the window never opens")
        return found

    def next_close(self, at: datetime) -> datetime | None:
        """The earliest instant after `at` when it is closed; None if it never is.

        at:      aware.
        Returns: aware, UTC; on a whole minute.
        """
        if self.opens is None and len(self.days) == 7:
            return None
        return self._turns(at, self.closes or 0, wanted=False)

    def _turns(self, at: datetime, edge: int, *, wanted: bool) -> datetime | None:
        """The first whole minute from `at` on when it is open (or not, as wanted).

        Within a quarter of an hour the zone's clock runs evenly, so the window turns where the
        quarter begins or where the clock shows midnight or the edge.
        """
        quarter = at.astimezone(UTC).replace(second=0, microsecond=0)
        quarter -= timedelta(minutes=quarter.minute % 15)
        for _ in range(_SEARCH):
            local = quarter.astimezone(self.zone)
            minute = local.hour * 60 + local.minute
            for ahead in sorted({0, -minute % _DAY, (edge - minute) % _DAY}):
                candidate = quarter + timedelta(minutes=ahead)
                if ahead < 15 and candidate >= at and self.contains(candidate) is wanted:
                    return candidate
            quarter += _QUARTER
        return None
