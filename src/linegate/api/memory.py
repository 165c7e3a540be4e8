"""Rows of the database, remembered for a moment."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

__all__ = ["REMEMBERED_FOR", "Memory"]

REMEMBERED_FOR = timedelta(seconds=1)
"""How long a change by command may go unnoticed."""

_REMEMBERED = 10_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """The newest values by key; what is not found is not remembered.

    life: None for values that never change.
    """

    def __init__(self, load: Callable[[K], Awaitable[V | None]], life: timedelta | None) -> None:
        self._load = load
        self._life = life
        self._kept: OrderedDict[K, tuple[V, datetime]] = OrderedDict()
        self._loading: dict[K, asyncio.Future[V | None]] = {}

    async def get(self, key: K, now: datetime) -> V | None:
        """The value, loaded if it is not remembered or was for too long."""
        kept = self._kept.get(key)
        if kept is not None and (self._life is None or abs(now - kept[1]) < self._life):
            return kept[0]
        loading = self._loading.get(key)
        if loading is None:  # one asks, and those who come meanwhile get the same answer
            loading = self._loading[key] = asyncio.ensure_future(self._load(key))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        value = await asyncio.shield(loading)
        if value is None:
            self._kept.pop(key, None)
            return None
        self._kept[key] = (value, now)
        self._kept.move_to_end(key)
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return value

    def forget(self, key: K) -> None:
        """Load this one anew the next time."""
        self._kept.pop(key, None)
