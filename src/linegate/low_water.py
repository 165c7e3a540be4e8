"""Where a look through a queue begins, so that it does not walk over what is done with.

PostgreSQL cannot remove rows and index entries that an open snapshot may still want to see: a dump,
a forgotten transaction, a replication slot. They stay at the head of the queue, and every look for
work would walk over all of them. So each process remembers for each part of a queue the mark below
which it found nothing, and begins there.

What is written late lies below the mark. So a look begins a little below it, and every so often
further below: what is late by some time is found within twice that time. And everything is looked
through again as soon as that costs no more than a twentieth of the time. Without dead entries
that is always: then no look begins at a mark, and nothing is found later than it would be without.

Values only: `now` is an argument, and nothing is read or written.
"""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

__all__ = ["BEGINNING", "CHEAP", "Look", "LowWater"]

Key = TypeVar("Key", bound=Hashable)

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""An instant before everything."""

CHEAP = timedelta(milliseconds=5)
"""A look that took no longer may always begin at the beginning."""

_SHARE = 20  # of so much time one part may go into looking through everything
_NEAREST = timedelta(milliseconds=250)
_DEPTHS: tuple[timedelta, ...] = tuple(_NEAREST * 2**step for step in range(12))  # to 8.5 min


class Look(Generic[Key]):
    """One look: where it begins in each part, and what it learnt."""

    def __init__(self, low: "LowWater[Key]", began: datetime, depth: timedelta | None) -> None:
        """Begin `depth` below each mark; None: at the beginning."""
        self._low = low
        self._began = began
        self._depth = depth

    @property
    def is_full(self) -> bool:
        """Whether it begins at the beginning of every part."""
        return self._depth is None

    def since(self, key: Key) -> datetime:
        """Look at what lies behind this instant."""
        mark = None if self._depth is None else self._low.mark(key)
        return BEGINNING if mark is None or self._depth is None else mark - self._depth

    def begins(self) -> dict[Key, datetime]:
        """Every part that it does not look at from the beginning, and where it begins there."""
        return {} if self.is_full else {key: self.since(key) for key in self._low.parts()}

    def ended(self, now: datetime) -> bool:
        """Tell that it is over; whether it was so slow that it is worth knowing the marks."""
        return self._low.ended(self._began, now, is_full=self.is_full)


class LowWater(Generic[Key]):
    """The marks of one process in one queue; a key is a part of it with an order of its own."""

    def __init__(self) -> None:
        """Know nothing: the first look goes through everything."""
        self._marks: dict[Key, datetime] = {}
        self._full_at = BEGINNING
        self.is_cheap = True  # to look through everything
        self._deeper_at = [BEGINNING] * len(_DEPTHS)

    def look(self, now: datetime) -> Look[Key]:
        """Begin a look."""
        return Look(self, now, None if now >= self._full_at else self._depth(now))

    def nearby(self, now: datetime) -> Look[Key]:
        """Begin a look that must be quick: for one through everything there are others."""
        return Look(self, now, None if self.is_cheap else self._depth(now))

    def mark(self, key: Key) -> datetime | None:
        """Below this instant nothing was found; None: nobody knows."""
        return self._marks.get(key)

    def parts(self) -> list[Key]:
        """The parts that have a mark."""
        return list(self._marks)

    def reached(self, key: Key, mark: datetime) -> None:
        """Nothing was found below this instant."""
        self._marks[key] = mark

    def learn(self, lowest: Mapping[Key, datetime | None], now: datetime) -> None:
        """Take what was found: the lowest in each part, None where nothing is.

        What lies ahead of `now` is no mark: what is due before it may still come.
        """
        for key, at in lowest.items():
            self._marks[key] = now if at is None else min(at, now)

    def ended(self, began: datetime, now: datetime, *, is_full: bool) -> bool:
        """A look is over; whether it was slow."""
        took = now - began
        if is_full:
            self.is_cheap = took < CHEAP
            self._full_at = now if self.is_cheap else now + _SHARE * took
        return took >= CHEAP

    def _depth(self, now: datetime) -> timedelta:
        """The deepest whose time has come: each twice in the time that it is deep.

        So what is written late by some time is found within twice that time, however the mark
        moves on meanwhile.
        """
        deepest = 0
        for step, at in enumerate(self._deeper_at):
            if at <= now:
                deepest = step
        for step in range(deepest + 1):
            self._deeper_at[step] = now + _DEPTHS[step] / 2
        return _DEPTHS[deepest]
