"""What the machine can bear: messages that wait, and room on the disk.

Read once a second and no more, so that a refusal costs nothing.
"""

import os
from datetime import datetime
from pathlib import Path

from linegate.api.memory import REMEMBERED_FOR, Memory
from linegate.postgres.backlog import total_backlog
from linegate.postgres.pool import Pool

__all__ = ["Pressure"]


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
