"""How fast a route may go: so many parts a second, evenly, and slower when the provider asks."""

from datetime import datetime, timedelta

__all__ = ["Pace"]

_FIRST_SLOWDOWN = timedelta(seconds=1)
_LONGEST_SLOWDOWN = timedelta(seconds=30)
_AHEAD = timedelta(milliseconds=100)


class Pace:
    """The turns of one route.

    per_second: parts; 0: no limit of ours.
    """

    def __init__(self, per_second: float) -> None:
        self._step = timedelta(seconds=1 / per_second) if per_second else timedelta(0)
        self._free_at: datetime | None = None
        self._slow_until: datetime | None = None
        self._slowdown = _FIRST_SLOWDOWN

    def places(self, most: int, now: datetime) -> int:
        """How many turns are free now, at most `most`; up to 100 ms ahead of the even pace."""
        if self._slow_until is not None and now < self._slow_until:
            return 0
        if not self._step or self._free_at is None or self._free_at <= now:
            ahead = _AHEAD
        else:
            ahead = now + _AHEAD - self._free_at
        if not self._step:
            return most
        return max(0, min(most, int(ahead / self._step) + 1)) if ahead >= timedelta(0) else 0

    def turn(self, now: datetime) -> datetime:
        """Take the next turn; gives when it is."""
        at = max(now, self._free_at or now, self._slow_until or now)
        self._free_at = at + self._step
        return at

    def slow(self, now: datetime) -> None:
        """The provider was asked too often: no turn for a while, longer each time in a row."""
        if self._slow_until is not None and now < self._slow_until:
            return  # answers of what was under way before
        self._slow_until = now + self._slowdown
        self._slowdown = min(self._slowdown * 2, _LONGEST_SLOWDOWN)

    def went_well(self) -> None:
        """The provider takes messages again."""
        if self._slowdown != _FIRST_SLOWDOWN:
            self._slowdown = _FIRST_SLOWDOWN
