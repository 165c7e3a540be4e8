"""Loop: finished messages leave when they are old enough.

A day of which nothing is needed any more is dropped whole, which costs the same for ten messages
and for ten million. Only what a day keeps from being dropped, and what an account wants to be
forgotten sooner, is deleted, a chunk at a time.
"""

from datetime import date, datetime, timedelta

import asyncpg
import structlog

from linegate.clock import Clock
from linegate.postgres.partitions import days_present, drop_day
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.retention import (
    day_is_needed,
    ended_messages,
    forget_leftovers,
    forget_sums,
    purge_contents,
    purge_messages,
    short_retentions,
)

__all__ = ["Retention"]

_log = structlog.get_logger()
_CHUNK = 2000
_SUMS_KEPT = timedelta(days=800)


class Retention:
    """Forgets. Any number of processes may run one: what is gone is gone."""

    name = "retention"
    interval = timedelta(minutes=10)

    def __init__(self, pool: Pool, clock: Clock, *, days: int) -> None:
        """Keep messages for `days` after they ended, over `pool`."""
        self._pool = pool
        self._clock = clock
        self._days = days
        self._done: dict[tuple[int | None, date], datetime] = {}

    async def run_once(self) -> int:
        """Drop what may be dropped, then delete one chunk; gives how many messages it deleted."""
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            days = await days_present(conn)
            accounts = await short_retentions(conn, days=self._days)
            await forget_sums(conn, before=(now - _SUMS_KEPT).date())
        ended_before = now - timedelta(days=self._days)
        for day in [day for day in days if _is_over(day, ended_before)]:
            if await self._is_kept(day, ended_before):
                moved = await self._purge(None, day, ended_before, now)
                if moved:
                    return moved
        async with self._pool.acquire() as conn:
            present = await days_present(conn)
            if present and (moved := await forget_leftovers(conn, present[0], limit=_CHUNK)):
                return moved
        for account_id, kept in accounts:
            before = now - timedelta(days=kept)
            for day in [day for day in days if day <= before.date()]:
                moved = await self._purge(account_id, day, before, now)
                if moved:
                    return moved
        return 0

    async def _is_kept(self, day: date, ended_before: datetime) -> bool:
        """Drop a day unless something of it is needed; whether something is."""
        async with self._pool.acquire() as conn:
            if await day_is_needed(conn, day, ended_before=ended_before):
                return True
            try:
                await drop_day(conn, day)
            except asyncpg.LockNotAvailableError:
                _log.info("day.in_use", day=day.isoformat())  # a dump reads it: next time
                return False
        _log.info("day.forgotten", day=day.isoformat())
        return False

    async def _purge(
        self, account_id: int | None, day: date, ended_before: datetime, now: datetime
    ) -> int:
        """Delete a chunk of what has ended; gives how many, 0 if there is no more today."""
        looked = self._done.get((account_id, day))
        if looked is not None and now - looked < timedelta(hours=6):
            return 0
        async with transaction(self._pool) as conn:
            ids = await ended_messages(
                conn,
                day,
                account_id=account_id,
                after=0,
                ended_before=ended_before,
                limit=_CHUNK,
            )
            if ids:
                await purge_messages(conn, ids)
            if len(ids) < _CHUNK:
                await purge_contents(conn, day, account_id=account_id)
                self._done[account_id, day] = now
        return len(ids)


def _is_over(day: date, ended_before: datetime) -> bool:
    """Whether all of a day is older than what is kept."""
    return day < ended_before.date()
