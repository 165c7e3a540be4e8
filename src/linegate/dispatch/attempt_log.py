"""One log line for each attempt, on either leg, up to so many a second.

A line costs some 13 microseconds, and a campaign makes thousands of attempts a second, each of
which is in the database already. So each second has its lines; what is beyond is counted in one
line, and no attempt goes without either.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from linegate.clock import Clock
from linegate.domain.ids import public_id
from linegate.domain.outcome import Outcome

__all__ = ["AttemptLog", "Logged"]

_SECOND = timedelta(seconds=1)
_log = structlog.get_logger()


class Logged(NamedTuple):
    """What a line says of an attempt. leg: LINE or SMS; trace_id: '' if it is not traced."""

    leg: str
    message_id: int
    number: int
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    trace_id: str = ""


class AttemptLog:
    """Loop: tells how many attempts had no line of their own, once a second."""

    name = "attempt log"
    interval = _SECOND

    def __init__(self, clock: Clock, *, per_second: int) -> None:
        """Write at most `per_second` lines a second; 0: no line, and no count either."""
        self._clock = clock
        self._per_second = per_second
        self._left = per_second
        self._since: datetime | None = None
        self._unlogged = 0

    def tell(self, attempt: Logged) -> None:
        """Write the attempt's line, or count it."""
        if not self._per_second:
            return
        if self._since is None or attempt.ended_at - self._since >= _SECOND:
            self._flush()
            self._since, self._left = attempt.ended_at, self._per_second
        if self._left <= 0:
            self._unlogged += 1
            return
        self._left -= 1
        _write(attempt)

    async def run_once(self) -> int:
        """Tell of what had no line, if its second is over; gives 0."""
        if self._since is None or self._clock.now() - self._since >= _SECOND:
            self._flush()
        return 0

    async def aclose(self) -> None:
        """Tell of what had no line."""
        self._flush()

    def _flush(self) -> None:
        if self._unlogged:
            _log.info("attempts.unlogged", attempts=self._unlogged, per_second=self._per_second)
            self._unlogged = 0


def _write(attempt: Logged) -> None:
    outcome = attempt.outcome
    _log.info(
        "attempt.finished",
        message_id=public_id(attempt.message_id),
        leg=attempt.leg,
        attempt=attempt.number,
        outcome=outcome.kind.value,
        code=outcome.code,
        duration_ms=round((attempt.ended_at - attempt.started_at).total_seconds() * 1000),
        request_id=outcome.request_id,
        detail=outcome.detail,
        trace_id=attempt.trace_id,
    )
