"""Counts what one caller may do only so often: guess a password, open a session.

In the memory of one process, and bounded. An installation of N API processes allows N times as
much, which guesses of a password do not live on: docs/decisions/0030.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta

__all__ = ["Throttle"]

_REMEMBERED = 20_000


class Throttle:
    """At most `limit` charges to one key in each `window`, which begins with the first."""

    def __init__(self, limit: int, window: timedelta) -> None:
        self._limit = limit
        self._window = window
        self._charged: OrderedDict[Hashable, tuple[int, datetime]] = OrderedDict()

    def wait(self, key: Hashable, now: datetime) -> int:
        """Seconds until the key may be charged again; 0 if it may now."""
        count, since = self._charged.get(key, (0, now))
        left = since + self._window - now
        if count < self._limit or left <= timedelta(0):
            return 0
        return max(1, math.ceil(left.total_seconds()))

    def charge(self, key: Hashable, now: datetime) -> None:
        """Count one."""
        count, since = self._charged.get(key, (0, now))
        if now - since >= self._window:
            count, since = 0, now
        self._charged[key] = (count + 1, since)
        if len(self._charged) > _REMEMBERED:
            self._charged.popitem(last=False)

    def refund(self, key: Hashable) -> None:
        """Take one back: it was no guess."""
        count, since = self._charged.get(key, (0, None))
        if since is not None and count > 0:
            self._charged[key] = (count - 1, since)
