"""One time for all processes: the database's clock, with its jumps taken out.

Every process counts time by itself (`clock.SteadyClock`) and compares with the database every few
seconds. A difference of milliseconds is corrected. A jump, of the database's machine or of its
successor after a fail-over, is not followed: the first process that sees it writes into
`installation_time.ahead` by how much this installation's time now differs from the database's,
and all go on evenly. A difference that stays is worn off, two seconds a minute, so that the right
time is reached again without anything being due at once or twice.

The only file that asks the database what time it is: statements get `:now` as an argument.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock, SteadyClock
from linegate.postgres.pool import AWAY, Connection, Pool

__all__ = ["TimeKeeper", "installation_time", "kept_time"]

_EVERY = timedelta(seconds=5)
_JUMP = timedelta(seconds=1)
_SLOWEST_ANSWER = timedelta(milliseconds=400)  # a slower one tells the time too roughly
_NOBODY_FOR = timedelta(minutes=1)
_WEAR = 30  # of so many seconds that pass one is worn off
_log = structlog.get_logger()

_READ = "SELECT clock_timestamp() AS at, ahead, told_at FROM installation_time"
_SET = "UPDATE installation_time SET ahead = $1, told_at = $2 WHERE ahead = $3"
_TELL = "UPDATE installation_time SET told_at = $1"

Source = Callable[[Connection], Awaitable[datetime]]


async def _database_clock(conn: Connection) -> datetime:
    at: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return at


async def installation_time(conn: Connection) -> datetime:
    """What time it is for this installation: for commands that run beside it."""
    row = await conn.fetchrow(_READ)
    at: datetime = row["at"] + row["ahead"]
    return at


class TimeKeeper:
    """Holds a process's clock to the installation's time."""

    def __init__(self, pool: Pool, clock: SteadyClock, source: Source = _database_clock) -> None:
        """Compare `clock` over `pool`; `source` tells the database's time."""
        self._pool = pool
        self._clock = clock
        self._source = source
        self._ahead: timedelta | None = None

    async def look(self) -> timedelta:
        """Compare once; gives by how much the clock was corrected."""
        async with self._pool.acquire() as conn:
            asked_at = self._clock.now()
            database = await self._source(conn)
            answered_at = self._clock.now()
            row = await conn.fetchrow("SELECT ahead, told_at FROM installation_time")
            ahead: timedelta = row["ahead"]
            if self._ahead is None:
                return await self._begin(conn, database, ahead, row["told_at"])
            if answered_at - asked_at > _SLOWEST_ANSWER:
                return timedelta(0)
            error = _surely(database + ahead - answered_at, database + ahead - asked_at)
            if abs(error) <= _JUMP:
                self._clock.move(error)
                await self._wear(conn, ahead, row["told_at"])
                self._ahead = ahead
                return error
            return await self._jumped(conn, error, ahead)

    async def _begin(
        self, conn: Connection, database: datetime, ahead: timedelta, told_at: datetime | None
    ) -> timedelta:
        """Take the installation's time, or the database's own if nobody keeps another."""
        if told_at is None or abs(database + ahead - told_at) > _NOBODY_FOR:
            await conn.execute(_SET, timedelta(0), database, ahead)
            ahead = await conn.fetchval("SELECT ahead FROM installation_time")
        before = self._clock.now()
        self._clock.begin_at(database + ahead)
        self._ahead = ahead
        return database + ahead - before

    async def _jumped(self, conn: Connection, error: timedelta, ahead: timedelta) -> timedelta:
        """The database's clock jumped, or another process has told so already."""
        if ahead != self._ahead:
            # Another process took the jump out, and ours differs: it is the younger one.
            _log.warning("clock.adopted", seconds=round(error.total_seconds(), 3))
            self._clock.begin_at(self._clock.now() + error)
            self._ahead = ahead
            return error
        evened = ahead - error
        tag = await conn.execute(_SET, evened, self._clock.now(), ahead)
        if tag == "UPDATE 1":
            _log.error(
                "clock.jumped",
                by_s=round(error.total_seconds(), 3),
                ahead_s=round(evened.total_seconds(), 3),
            )
            self._ahead = evened
        return timedelta(0)

    async def _wear(self, conn: Connection, ahead: timedelta, told_at: datetime | None) -> None:
        """Say that somebody looked, and bring the shared time a little nearer to the clock."""
        now = self._clock.now()
        passed = now - told_at if told_at is not None else timedelta(0)
        if not ahead:
            await conn.execute(_TELL, now)
        elif passed >= _EVERY / 2:
            step = min(abs(ahead), passed / _WEAR)
            nearer = ahead - step if ahead > timedelta(0) else ahead + step
            await conn.execute(_SET, nearer, now, ahead)


def _surely(low: timedelta, high: timedelta) -> timedelta:
    """The part of a difference that the time of the round trip does not explain.

    The database told its time at some instant of the round trip, so the difference lies between
    low and high: a guess within would shake a good clock by milliseconds at each look.
    """
    if low > timedelta(0):
        return low
    return min(high, timedelta(0))


@asynccontextmanager
async def kept_time(pool: Pool, clock: Clock) -> AsyncIterator[None]:
    """Hold the clock to the installation's time while the block lasts, if it can be held."""
    if not isinstance(clock, SteadyClock):
        yield
        return
    keeper = TimeKeeper(pool, clock)
    await keeper.look()
    keeping = asyncio.create_task(_keep(keeper, clock))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait((keeping,))


async def _keep(keeper: TimeKeeper, clock: SteadyClock) -> None:
    while True:
        await clock.sleep_until(clock.now() + _EVERY)
        try:
            await keeper.look()
        except AWAY as error:
            _log.warning("clock.database_away", error=type(error).__name__)
