"""Applications and entities that messages name for the first time are made then."""

from collections import OrderedDict
from datetime import datetime, timedelta

from linegate.domain.bulk import Bulk
from linegate.postgres.divisions import Kind, ensure_divisions
from linegate.postgres.pool import Pool

__all__ = ["Divisions"]

_REMEMBERED = 50_000
_LIFE = timedelta(minutes=1)  # one that was deleted meanwhile is made again after this

Named = tuple[int, Kind, str]


class Divisions:
    """Makes each once; what is remembered costs nothing."""

    def __init__(self, pool: Pool) -> None:
        """Make them over `pool`."""
        self._pool = pool
        self._known: OrderedDict[Named, datetime] = OrderedDict()

    async def ensure(self, bulk: Bulk, now: datetime) -> None:
        """Make the applications and entities that the bulk names and nobody knows yet."""
        fresh = {named for named in _named(bulk) if not self._knows(named, now)}
        if not fresh:
            return
        async with self._pool.acquire() as conn:
            await ensure_divisions(conn, fresh, now=now)
        for named in fresh:
            self._known[named] = now
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def forget(self, account_id: int, kind: Kind, id_: str) -> None:
        """It was deleted: make it again when it is named again."""
        self._known.pop((account_id, kind, id_), None)

    def _knows(self, named: Named, now: datetime) -> bool:
        since = self._known.get(named)
        return since is not None and abs(now - since) < _LIFE


def _named(bulk: Bulk) -> set[Named]:
    found: set[Named] = set()
    for part in bulk.objects:
        if part.application_id:
            found.add((bulk.account_id, "application", part.application_id))
        if part.entity_id:
            found.add((bulk.account_id, "entity", part.entity_id))
    return found
