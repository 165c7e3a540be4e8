"""Loop: imports that broke off are given up; what failed is removed, in chunks."""

from datetime import timedelta

from linegate.clock import Clock
from linegate.postgres.importing import (
    abandoned_imports,
    fail_import,
    failed_imports,
    remove_import,
    remove_messages,
)
from linegate.postgres.pool import Pool

__all__ = ["ABANDONED_AFTER", "ImportRemover"]

ABANDONED_AFTER = timedelta(seconds=90)
"""How long an import may stand still; one that is alive says so every twenty seconds."""

_AT_ONCE = 10
_CHUNK = 5000


class ImportRemover:
    """Removes imports of which nothing will be sent. Any number of processes may run one."""

    name = "import remover"
    interval = timedelta(seconds=5)

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Remove over `pool`."""
        self._pool = pool
        self._clock = clock

    async def run_once(self) -> int:
        """Give up what stands still and remove a chunk; gives how many messages went."""
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            before = now - ABANDONED_AFTER
            for bulk_id in await abandoned_imports(conn, before=before, limit=_AT_ONCE):
                await fail_import(conn, bulk_id, reason="the import broke off", now=now)
            removed = 0
            for bulk_id, last_id in await failed_imports(conn, limit=_AT_ONCE):
                count = await remove_messages(conn, bulk_id, last_id, limit=_CHUNK)
                if not count:
                    await remove_import(conn, bulk_id, now=now)
                removed += count
        return removed
