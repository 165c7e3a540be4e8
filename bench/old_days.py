"""Messages of days long past, so that retention has something to forget while a bench runs."""

from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from pathlib import Path

import asyncpg

from linegate.domain.ids import IdMaker
from linegate.postgres.partitions import ensure_partitions

__all__ = ["OldDays"]

_PER_BULK = 500
_FILL = Path(__file__).with_name("fill_log.sql").read_text(encoding="utf-8")
_ROOM = 1100  # ids of a bulk besides its messages'


class OldDays:
    """Puts ended messages into the past of one account.

    sooner: days ago of what the account wants to be forgotten sooner than others: deleted row by
            row, from a day that is kept. longer: days ago of what nobody keeps, dropped by the
            day: each time into the day before. So the number of days stays the same.
    """

    def __init__(self, account: int, sender: int, *, sooner: int, longer: int) -> None:
        """Begin with these days."""
        self._account, self._sender = account, sender
        self._days = zip(repeat(sooner), count(longer), strict=False)
        self._bulks = 0

    async def put(self, conn: asyncpg.Connection, messages: int, now: datetime) -> None:
        """Put so many messages into a day of each kind."""
        for ago in next(self._days):
            day = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=ago)
            await ensure_partitions(conn, now=day, behind=0, ahead=0)
            for _ in range(messages // _PER_BULK):
                at = day + timedelta(seconds=self._bulks)
                first = IdMaker(200).block(_PER_BULK + _ROOM, at)[0]
                await conn.execute(
                    _FILL, first, _PER_BULK, self._account, self._sender, at, self._bulks
                )
                self._bulks += 1
