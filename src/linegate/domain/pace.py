"""The sending speed limit: evenly spaced slots, and no catching up.

A slot may be used a little late (`LATEST`) and never early. So that no span of one unit ever sees
more than the limit, however early one message and late the one before it, `amount` slots are
spread over the unit and `LATEST`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

__all__ = ["LATEST", "Pace", "Unit", "begin_by", "pace_of"]

LATEST = timedelta(milliseconds=250)
"""How long after its instant a slot may still be used; one that is older is given up."""

_FRESH = timedelta(seconds=1)

Unit = Literal["MINUTE", "HOUR", "DAY"]

_UNITS: dict[Unit, timedelta] = {
    "MINUTE": timedelta(minutes=1),
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1),
}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """`amount` messages a `unit`, one every unit/amount; each may be `late` by so much.

    In no span as long as the unit are more than `amount` sent, and one more at the edge.
    """

    amount: int
    unit: timedelta
    late: timedelta = LATEST

    @property
    def unit_name(self) -> Unit:
        """The unit's word in requests. Raises: StopIteration for a unit that is none of them."""
        return next(name for name, span in _UNITS.items() if span == self.unit)

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
            return [], first
        count = min(limit, self.count(room))
        return [first + self.after(k) for k in range(count)], first + self.after(count)

    def count(self, room: timedelta) -> int:
        """How many slots begin within `room` (positive), the first at once."""
        return -(-(room // _MICROSECOND) * self.amount // self._spread)

    def after(self, k: int) -> timedelta:
        """How long after a slot the k-th one from it comes, rounded up: never faster."""
        return timedelta(microseconds=-(-k * self._spread // self.amount))

    @property
    def _spread(self) -> int:
        """Microseconds over which `amount` slots are spread."""
        return (self.unit + self.late) // _MICROSECOND


def begin_by(
    slot: datetime | None, *, asked_at: datetime, usual: timedelta, lease_until: datetime
) -> datetime:
    """Until when an attempt may begin whose message was claimed; later, its place has passed.

    slot:     of a speed limit; None: it has a place in its sender's rate only, good for a second.
    asked_at: when the claim was asked for.
    usual:    how long after its claim the last attempt could begin. Where that is always long,
              twice as much is borne, or nothing would go at all; of one stand-still nothing is
              made up.
    """
    fresh_until = asked_at + _FRESH if slot is None else slot + LATEST
    return min(max(fresh_until, asked_at + 2 * usual), lease_until)


def pace_of(amount: int, unit: Unit | None) -> Pace:
    """The pace asked for. No unit: a minute. Source: published SendingSpeedLimit."""
    return Pace(amount, _UNITS[unit or "MINUTE"])
