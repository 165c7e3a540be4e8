"""The LINE JSON of message objects, kept in memory while their messages go out."""

from collections import OrderedDict
from collections.abc import Iterable

from linegate.postgres.dispatching import load_objects
from linegate.postgres.pool import Pool

__all__ = ["Contents"]

_BYTES = 64 * 1024 * 1024


class Contents:
    """A bounded store of content by message object: a bulk of a million reads its own once."""

    def __init__(self, pool: Pool) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._kept: OrderedDict[int, tuple[bool, bytes]] = OrderedDict()
        self._size = 0

    async def load(self, object_ids: Iterable[int]) -> None:
        """Make sure of these; `get` finds them until the next `load`."""
        missing = set(object_ids) - self._kept.keys()
        if not missing:
            return
        async with self._pool.acquire() as conn:
            found = await load_objects(conn, sorted(missing))
        while self._kept and self._size > _BYTES:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= len(dropped)
        self._kept.update(found)
        self._size += sum(len(content) for _, content in found.values())

    def get(self, object_id: int) -> tuple[bool, bytes]:
        """Whether it is for the templated endpoint, and the JSON without the recipient."""
        return self._kept[object_id]
