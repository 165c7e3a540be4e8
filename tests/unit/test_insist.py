"""What must be written is written again until the database takes it, and only then."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from linegate.postgres.insist import insist
from support.clock import FakeClock

AWAY = [
    ConnectionResetError(),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.InterfaceError("pool is closing"),
    asyncpg.AdminShutdownError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.TooManyConnectionsError(),
]


class Database:
    """Fails as told, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def write(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "written"


@pytest.mark.parametrize("away", AWAY, ids=lambda error: type(error).__name__)
async def test_a_write_is_repeated_while_the_database_is_away(
    clock: FakeClock, away: Exception
) -> None:
    database = Database(away, away)
    writing = asyncio.create_task(insist(database.write, clock=clock))
    await clock.advance(timedelta(milliseconds=199))
    assert database.asked == 1
    await clock.advance(timedelta(milliseconds=1))
    assert database.asked == 2
    await clock.advance(timedelta(milliseconds=400))
    assert await writing == "written"


async def test_the_pause_grows_to_five_seconds_and_the_patience_has_no_end(
    clock: FakeClock,
) -> None:
    database = Database(*[TimeoutError()] * 1000)
    writing = asyncio.create_task(insist(database.write, clock=clock))
    await clock.advance(timedelta(hours=1))
    assert 720 <= database.asked <= 727
    assert not writing.done()
    writing.cancel()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedColumnError(),
        asyncpg.UniqueViolationError(),
        asyncpg.DataError("a value that fits no column"),
        KeyError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_fault_of_ours_is_raised_at_once(clock: FakeClock, error: Exception) -> None:
    database = Database(error)
    with pytest.raises(type(error)):
        await insist(database.write, clock=clock)
    assert database.asked == 1
