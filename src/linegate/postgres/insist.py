"""Writes that must not be lost because the database is away for a while.

What LINE has answered is known to this process alone until it is written. So such a write is
repeated until the database takes it; it must be one that may happen twice (fenced by the attempt).
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import structlog

from linegate.clock import Clock
from linegate.postgres.pool import AWAY

__all__ = ["insist"]

Answer = TypeVar("Answer")

_log = structlog.get_logger()
_FIRST_PAUSE = timedelta(milliseconds=200)
_LONGEST_PAUSE = timedelta(seconds=5)


async def insist(work: Callable[[], Awaitable[Answer]], *, clock: Clock) -> Answer:
    """What `work` gives, tried again for as long as the database is away.

    Waits 0.2 s, then twice as long each time up to 5 s; ends early only when it is cancelled.
    Raises: what `work` raises for another reason, a value that does not fit a column included.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return await work()
        except AWAY as error:
            if isinstance(
                error, ValueError
            ):  # asyncpg's word for such a value is an InterfaceError
                raise
            _log.warning("database.away", error=type(error).__name__, pause_s=pause.total_seconds())
        await clock.sleep_until(clock.now() + pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
