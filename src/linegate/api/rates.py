"""How many requests a second an account and a credential may make.

In the memory of one API process: an installation of N of them lets N times as many pass
(docs/decisions/0081).
"""

import math
from collections import OrderedDict
from datetime import datetime, timedelta

from linegate.domain.caller import Caller
from linegate.domain.policy import AccountPolicy

__all__ = ["Rates"]

_REMEMBERED = 50_000
_BURST = timedelta(seconds=1)  # what may come at once after a pause: one second's worth


class Rates:
    """Counts requests (GCRA: of each subject the instant is kept from which it owes nothing)."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._free_at: OrderedDict[tuple[int, str], datetime] = OrderedDict()

    def charge(self, caller: Caller, policy: AccountPolicy, now: datetime) -> int:
        """Count a request; seconds to wait if it is one too many (it is not counted then)."""
        own = policy.callers.get(caller.name)
        limited = [
            (key, rate)
            for key, rate in (
                ((caller.account_id, ""), policy.limits.requests_per_second),
                ((caller.account_id, caller.subject), own.requests_per_second if own else None),
            )
            if rate is not None
        ]
        waits = [self._wait(key, rate, now) for key, rate in limited]
        if any(wait > timedelta(0) for wait in waits):
            return max(1, math.ceil(max(waits).total_seconds()))
        for key, rate in limited:
            self._free_at[key] = self._start(key, now) + timedelta(seconds=1) / rate
            self._free_at.move_to_end(key)
        while len(self._free_at) > _REMEMBERED:
            self._free_at.popitem(last=False)
        return 0

    def _wait(self, key: tuple[int, str], rate: int, now: datetime) -> timedelta:
        owed = self._start(key, now) + timedelta(seconds=1) / rate - now
        return owed - max(_BURST, timedelta(seconds=1) / rate)

    def _start(self, key: tuple[int, str], now: datetime) -> datetime:
        """Never before now; nor, should the clock have gone back, far after it."""
        free_at = self._free_at.get(key, now)
        return now if free_at - now > 2 * _BURST else max(free_at, now)
