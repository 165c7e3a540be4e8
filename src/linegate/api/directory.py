"""Who is asking and for which sender: rows of the directory, remembered for a second.

A change by command takes effect when the memory ends. What is not found is not remembered.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from linegate.clock import Clock
from linegate.postgres.directory import (
    Key,
    Sender,
    default_endpoint,
    ensure_endpoint,
    find_key,
    find_sender,
)
from linegate.postgres.pool import Pool

__all__ = ["Directory"]

_REMEMBERED_FOR = timedelta(seconds=1)
_REMEMBERED = 10_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Memory(Generic[K, V]):
    """The newest values by key; `life` None: for good, since they never change."""

    def __init__(self, load: Callable[[K], Awaitable[V | None]], life: timedelta | None) -> None:
        self._load = load
        self._life = life
        self._kept: OrderedDict[K, tuple[V, datetime]] = OrderedDict()

    async def get(self, key: K, now: datetime) -> V | None:
        kept = self._kept.get(key)
        if kept is not None and (self._life is None or abs(now - kept[1]) < self._life):
            return kept[0]
        value = await self._load(key)
        if value is None:
            self._kept.pop(key, None)
            return None
        self._kept[key] = (value, now)
        self._kept.move_to_end(key)
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return value


class Directory:
    """Keys, senders and endpoints, for the API."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._clock = clock
        self._keys: _Memory[bytes, Key] = _Memory(self._load_key, _REMEMBERED_FOR)
        self._senders: _Memory[str, Sender] = _Memory(self._load_sender, _REMEMBERED_FOR)
        self._endpoints: _Memory[tuple[int, str, str], int] = _Memory(self._make_endpoint, None)
        self._defaults: _Memory[int, int] = _Memory(self._load_default, _REMEMBERED_FOR)

    async def key(self, digest: bytes, now: datetime) -> Key | None:
        """The key with this SHA-256."""
        return await self._keys.get(digest, now)

    async def sender(self, name: str, now: datetime) -> Sender | None:
        """The sender with this name, of whatever account."""
        return await self._senders.get(name, now)

    async def endpoint(self, account_id: int, url: str, content_type: str, now: datetime) -> int:
        """The endpoint of a URL and format, made on first use."""
        id_ = await self._endpoints.get((account_id, url, content_type), now)
        if id_ is None:
            raise LookupError("an endpoint was neither found nor made")
        return id_

    async def default_endpoint(self, account_id: int, now: datetime) -> int | None:
        """The account's own endpoint, if it has one."""
        return await self._defaults.get(account_id, now)

    async def _load_key(self, digest: bytes) -> Key | None:
        async with self._pool.acquire() as conn:
            return await find_key(conn, digest)

    async def _load_sender(self, name: str) -> Sender | None:
        async with self._pool.acquire() as conn:
            return await find_sender(conn, name)

    async def _make_endpoint(self, asked: tuple[int, str, str]) -> int:
        account_id, url, content_type = asked
        async with self._pool.acquire() as conn:
            return await ensure_endpoint(
                conn,
                account_id=account_id,
                url=url,
                content_type=content_type,
                now=self._clock.now(),
            )

    async def _load_default(self, account_id: int) -> int | None:
        async with self._pool.acquire() as conn:
            return await default_endpoint(conn, account_id)
