"""Which of the servers in a URL takes writes: the primary of the newest timeline.

Every promotion of a replica begins a new timeline. So of two servers that both take writes, as
after a fail-over whose old primary came back, the one with the higher number is right. A process
remembers the highest that it has seen and writes to no older one, and it looks now and then
whether there is a newer one.

Each server is asked by itself and all at once: one that does not answer keeps nobody waiting.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import structlog

from linegate.clock import Clock

__all__ = ["Host", "Primary", "hosts_of", "primary_of", "watched"]

Host: TypeAlias = tuple[str, int]

_PORT = 5432
_ASKED_FOR = 5.0  # seconds that one server has to answer
_LOOK_EVERY = timedelta(seconds=5)
# Of a server whose timeline may not be asked (some managed ones), nothing is known.
_TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"
_REFUSALS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_log = structlog.get_logger()


def hosts_of(dsn: str) -> list[Host]:
    """The servers that a URL names, in order; empty: the driver's defaults."""
    parts = urlsplit(dsn)
    named = parts.netloc.rpartition("@")[2]
    ports: list[str] = []
    if not named:
        query = parse_qs(parts.query)
        named = query.get("host", [""])[-1]
        ports = query.get("port", [""])[-1].split(",")
    hosts = []
    for at, each in enumerate(named.split(",") if named else []):
        host, colon, port = _split(each)
        if not colon and ports:
            port = ports[at] if at < len(ports) else ports[-1]
        hosts.append((unquote(host), int(port) if port else _PORT))
    return hosts


def _split(named: str) -> tuple[str, str, str]:
    """Host, colon if there is one, port: also of `[::1]:5432`, and of a socket's folder."""
    if named.startswith("["):
        host, _, rest = named[1:].partition("]")
        return host, rest[:1], rest[1:]
    host, colon, port = named.partition(":")
    return host, colon, port


@cache
def primary_of(dsn: str) -> "Primary | None":
    """What this process knows of the servers of a URL; None where there is no choice."""
    hosts = hosts_of(dsn)
    return Primary(hosts) if len(hosts) > 1 else None


class _Answered(NamedTuple):
    host: Host
    connection: asyncpg.Connection
    timeline: int


class Primary:
    """Finds the server to write to, and remembers it."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        """Know the servers and nothing of them."""
        self._hosts = list(hosts)
        self._last: Host | None = None
        self._timeline = 0
        self._pools: list[asyncpg.Pool] = []

    def watch(self, pool: asyncpg.Pool) -> None:
        """Let this pool connect anew when there is a newer primary."""
        self._pools = [each for each in self._pools if not each.is_closing()]
        self._pools.append(pool)

    async def connect(self, dsn: str | None = None, **options: Any) -> asyncpg.Connection:
        """A connection to the primary, with the options of `asyncpg.connect`.

        Raises: TargetServerAttributeNotMatched if only an outdated one takes writes; what the
                first server said, if none does.
        """
        if self._last is not None:
            answered = await self._ask(self._last, dsn, options)
            if isinstance(answered, _Answered):
                if answered.timeline >= self._timeline:
                    return await self._take(answered)
                answered.connection.terminate()
        return await self._newest(dsn, options)

    async def look(self, dsn: str, **options: Any) -> None:
        """See whether another server has become the primary."""
        others = [host for host in self._hosts if host != self._last]
        for each in await self._asked(others, dsn, options):
            if isinstance(each, _Answered):
                each.connection.terminate()
                if each.timeline > self._timeline:
                    await self._learn(each)

    async def _newest(self, dsn: str | None, options: dict[str, Any]) -> asyncpg.Connection:
        asked = await self._asked(self._hosts, dsn, options)
        answers = [each for each in asked if isinstance(each, _Answered)]
        newest = max(answers, key=lambda each: each.timeline, default=None)
        for each in answers:
            if each is not newest or each.timeline < self._timeline:
                each.connection.terminate()
        if newest is None:
            raise next(each for each in asked if isinstance(each, Exception))
        if newest.timeline < self._timeline:
            raise asyncpg.TargetServerAttributeNotMatched(
                f"{newest.host} takes writes but is no longer the primary: timeline"
                f" {newest.timeline}, and {self._timeline} has been seen"
            )
        return await self._take(newest)

    async def _take(self, answered: _Answered) -> asyncpg.Connection:
        if answered.timeline > self._timeline:
            await self._learn(answered)
        self._last = answered.host
        return answered.connection

    async def _learn(self, answered: _Answered) -> None:
        """There is a newer primary: no connection to an older one is used again."""
        if self._timeline:
            _log.warning("database.primary_changed", host=answered.host[0], port=answered.host[1])
        self._timeline = answered.timeline
        self._last = answered.host
        for pool in self._pools:
            await pool.expire_connections()

    async def _asked(
        self, hosts: Sequence[Host], dsn: str | None, options: dict[str, Any]
    ) -> list[_Answered | Exception]:
        return await asyncio.gather(*(self._ask(host, dsn, options) for host in hosts))

    async def _ask(
        self, host: Host, dsn: str | None, options: dict[str, Any]
    ) -> _Answered | Exception:
        """A connection if this server takes writes; else what it said."""
        own = {**options, "host": host[0], "port": host[1], "timeout": _ASKED_FOR}
        try:
            connection = await asyncpg.connect(dsn, **own)
        except _REFUSALS as error:
            return error
        try:
            timeline = await connection.fetchval(_TIMELINE, timeout=_ASKED_FOR)
        except asyncpg.PostgresError:
            return _Answered(host, connection, 0)
        except _REFUSALS as error:  # it went away between two answers
            connection.terminate()
            return error
        except asyncio.CancelledError:
            connection.terminate()
            raise
        return _Answered(host, connection, timeline)


@asynccontextmanager
async def watched(dsn: str, clock: Clock, **options: Any) -> AsyncIterator[None]:
    """Look for a newer primary every few seconds while the block lasts."""
    primary = primary_of(dsn)
    if primary is None:
        yield
        return

    async def watch() -> None:
        while True:
            await clock.sleep_until(clock.now() + _LOOK_EVERY)
            await primary.look(dsn, **options)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait((watching,))
        if not watching.cancelled():
            watching.result()  # it ends by an error only, which must not pass unseen
