"""Loop: LINE's own count of delivered messages, day by day, beside ours.

LINE counts in days of UTC+9 and is done with one during the next; until then it says `unready`.
Source: "Get number of sent LINE notification messages" (FACTS A1.8).
"""

from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock
from linegate.dispatch.senders import Senders
from linegate.domain.outcome import Outcome
from linegate.line.client import LineClient
from linegate.line.tokens import TokenFailure
from linegate.postgres.pool import Pool
from linegate.postgres.statistics import (
    Uncounted,
    count_late,
    uncounted_days,
    write_line_count,
)

__all__ = ["Reconciler"]

_log = structlog.get_logger()
_DAYS = 7
_AT_ONCE = 20
_ASK_AGAIN = timedelta(hours=3)
_LINE_DAY = timedelta(hours=9)


class Reconciler:
    """Asks LINE for each day that is over, until it knows."""

    name = "reconciler"
    interval = timedelta(minutes=15)

    def __init__(self, pool: Pool, clock: Clock, senders: Senders, line: LineClient) -> None:
        """Ask `line` with the tokens of `senders`, keep the answers over `pool`."""
        self._pool = pool
        self._clock = clock
        self._senders = senders
        self._line = line

    async def run_once(self) -> int:
        """Ask for at most 20 days of senders; gives how many if there may be more, else 0."""
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            days = await uncounted_days(
                conn,
                today=(now + _LINE_DAY).date(),
                days=_DAYS,
                asked_before=now - _ASK_AGAIN,
                limit=_AT_ONCE,
            )
        for day in days:
            await self._ask(day, now)
        return len(days) if len(days) == _AT_ONCE else 0

    async def _ask(self, asked: Uncounted, now: datetime) -> None:
        says = await self._count_of_line(asked)
        async with self._pool.acquire() as conn:
            late = await count_late(conn, asked)
            await write_line_count(conn, asked, late=late, line_says=says, now=now)

    async def _count_of_line(self, asked: Uncounted) -> int | None:
        """LINE's count; None if it has none yet or does not answer, and is to be asked again."""
        sender = self._senders.get(asked.sender_id)
        if sender is None:
            return None
        token = await sender.tokens.token()
        if isinstance(token, TokenFailure):
            return None
        answer = await self._line.count_delivered(token, asked.day, templated=asked.templated)
        if isinstance(answer, Outcome):
            _log.warning(
                "line.not_counted", sender=sender.row.name, code=answer.code, detail=answer.detail
            )
            return None
        return answer.success if answer.status == "ready" else None
