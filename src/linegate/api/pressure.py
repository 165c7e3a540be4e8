"""What accounts and the machine can bear: messages that wait, and room on the disk.

Read once a second and no more, so that a refusal costs nothing. Between two readings a process
adds what it accepted itself; what other processes accepted meanwhile is seen a second later.
"""

import os
from collections import deque
from datetime import datetime, timedelta
from pathlib import Path

from linegate.api.memory import REMEMBERED_FOR, Memory
from linegate.postgres.pool import Pool
from linegate.postgres.statistics import load_backlog, total_backlog

__all__ = ["Backlogs", "Pressure"]

_KEPT = timedelta(minutes=10)  # should nobody add up, what was accepted so long ago is forgotten


class Backlogs:
    """How many messages of an account have not ended."""

    def __init__(self, pool: Pool) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._counted: Memory[int, tuple[int, datetime | None]] = Memory(self._load, REMEMBERED_FOR)
        self._own: dict[int, deque[tuple[datetime, int]]] = {}

    async def waiting(self, account_id: int, now: datetime) -> int:
        """Messages that were accepted and have not ended."""
        counted = await self._counted.get(account_id, now)
        waiting, as_of = counted or (0, None)
        own = self._own.get(account_id)
        if own is None:
            return waiting
        over = max(as_of, now - _KEPT) if as_of else now - _KEPT
        while own and own[0][0] < over:
            own.popleft()
        return waiting + sum(messages for _, messages in own)

    def add(self, account_id: int, messages: int, now: datetime) -> None:
        """So many were accepted here and now."""
        self._own.setdefault(account_id, deque()).append((now, messages))

    async def _load(self, account_id: int) -> tuple[int, datetime | None]:
        async with self._pool.acquire() as conn:
            return await load_backlog(conn, account_id)


class Pressure:
    """Whether the machine can take more at all."""

    def __init__(
        self, pool: Pool, *, home: Path | None, disk_reserve: int, waiting_limit: int
    ) -> None:
        """Read over `pool`.

        home:          where the embedded database lives; None: it is elsewhere.
        disk_reserve:  bytes that must stay free there; 0: not looked at.
        waiting_limit: most messages of all accounts that have not ended; 0: without a limit.
        """
        self._pool = pool
        self._home = home
        self._disk_reserve = disk_reserve
        self._waiting_limit = waiting_limit
        self._known: Memory[None, str] = Memory(self._load, REMEMBERED_FOR)

    async def refusal(self, now: datetime) -> str | None:
        """Why nothing can be taken now; None if it can."""
        return await self._known.get(None, now) or None

    async def _load(self, nothing: None) -> str:
        """ "" if all is well: what is not found is not remembered, and this must be."""
        if self._home is not None and self._disk_reserve and self._free() < self._disk_reserve:
            return "the disk is nearly full"
        if self._waiting_limit:
            async with self._pool.acquire() as conn:
                if await total_backlog(conn) >= self._waiting_limit:
                    return "too many messages wait"
        return ""

    def _free(self) -> int:
        disk = os.statvfs(self._home or "/")
        return disk.f_bavail * disk.f_frsize
