"""LISTEN and NOTIFY as a hint that there may be work; polling stays the truth.

One connection of its own listens on any number of channels and rings bells. While it is broken,
and for whatever is lost meanwhile, each loop's interval is how late work may be noticed. Needs a
server connection, not a pooler in transaction mode, which would swallow the notifications.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

import asyncpg
import structlog

from linegate.clock import Clock
from linegate.postgres.pool import Connection, connect
from linegate.supervisor import Bell

__all__ = ["Wakeup", "notify"]

_FIRST_PAUSE = timedelta(milliseconds=500)
_LONGEST_PAUSE = timedelta(seconds=30)
_PROBE_EVERY = timedelta(seconds=30)
_log = structlog.get_logger()


async def notify(connection: Connection, channel: str) -> None:
    """Ring whoever listens on the channel, when the open transaction commits."""
    await connection.execute("SELECT pg_notify($1, '')", channel)


class Wakeup:
    """Listens while `run` runs. A bell is rung by each notification and each reconnection."""

    def __init__(self, dsn: str, *, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._bells: dict[str, list[Bell]] = defaultdict(list)
        self._listening = Bell()

    def bell(self, channel: str) -> Bell:
        """A bell of one's own for a channel; ask for all of them before `run`."""
        bell = Bell()
        self._bells[channel].append(bell)
        return bell

    async def until_listening(self) -> None:
        """Return when the next connection listens, or at once if one has since the last call."""
        await self._listening.wait()

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is made anew, with a growing pause."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await connect(self._dsn, application="linegate wakeup")
                pause = _FIRST_PAUSE
                await self._listen(connection)
                reason = "the connection was closed"
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                reason = f"{type(error).__name__}: {error}"
            _log.warning("database.lost", error=reason, pause_s=pause.total_seconds())
            await self._clock.sleep_until(self._clock.now() + pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _listen(self, connection: Connection) -> None:
        """Ring until the connection ends; a probe now and then finds a silently dead one."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            for channel in self._bells:
                await connection.add_listener(channel, self._heard)
            # What was notified while nobody listened is not told again: look everywhere.
            self._ring(self._bells)
            self._listening.ring()
            while not await _within(_PROBE_EVERY, ended):
                await connection.execute("SELECT 1", timeout=10.0)
        finally:
            connection.terminate()

    def _heard(self, connection: object, process: int, channel: str, payload: object) -> None:
        self._ring([channel])

    def _ring(self, channels: Iterable[str]) -> None:
        for channel in channels:
            for bell in self._bells[channel]:
                bell.ring()


async def _within(span: timedelta, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(span.total_seconds()):
            return await event.wait()
    except TimeoutError:
        return False
