"""The LINE JSON of message objects, kept in memory while their messages go out."""

from collections import OrderedDict
from collections.abc import Mapping, Set

from linegate.postgres.dispatching import load_objects
from linegate.postgres.pool import Pool

__all__ = ["Content", "Contents"]

Content = tuple[bool, bytes]  # for the templated endpoint?; the JSON without the recipient

_BYTES = 64 * 1024 * 1024


class Contents:
    """A bounded store of content by message object: a bulk of a million reads its own once."""

    def __init__(self, pool: Pool) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._kept: OrderedDict[int, Content] = OrderedDict()
        self._size = 0

    async def load(self, object_ids: Set[int]) -> Mapping[int, Content]:
        """These objects' contents, from memory where they are. One that is gone is not in it."""
        known = {id_: self._kept[id_] for id_ in object_ids & self._kept.keys()}
        missing = object_ids - known.keys()
        if not missing:
            return known
        async with self._pool.acquire() as conn:
            found = await load_objects(conn, sorted(missing))
        self._keep(found)
        return known | found

    def _keep(self, found: Mapping[int, Content]) -> None:
        for id_, content in found.items():
            self._kept[id_] = content
            self._size += len(content[1])
        while self._size > _BYTES:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= len(dropped)
