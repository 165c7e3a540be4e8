"""A pool waits for a server that is not up yet, and transactions are all or nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from linegate.postgres.pool import Pool, connect_with_retry, transaction
from support.clock import FakeClock


async def test_a_server_that_is_not_up_is_asked_again_until_patience_ends(
    clock: FakeClock, tmp_path: Path
) -> None:
    began = clock.now()
    dsn = f"postgresql://nobody@/nothing?host={tmp_path}"
    task = asyncio.create_task(connect_with_retry(dsn, clock=clock, patience=timedelta(seconds=8)))
    waits = []
    for _ in range(6):
        await clock.until_somebody_sleeps()
        assert clock.next_wake_up is not None
        waits.append((clock.next_wake_up - clock.now()).total_seconds())
        await clock.advance(clock.next_wake_up - clock.now())
    with pytest.raises(OSError, match="No such file"):
        await task
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert clock.now() - began < timedelta(seconds=8)


async def test_a_server_that_is_up_is_used_at_once(database_url: str, clock: FakeClock) -> None:
    pool = await connect_with_retry(database_url, clock=clock, size=2)
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()


async def test_a_transaction_is_rolled_back_if_its_block_fails(pool: Pool) -> None:
    await pool.execute("CREATE TABLE colour (name text)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await _insert_and_fail(pool)
    async with transaction(pool) as tx:
        await tx.execute("INSERT INTO colour VALUES ('green')")
    assert await pool.fetchval("SELECT string_agg(name, ',') FROM colour") == "green"


async def _insert_and_fail(pool: Pool) -> None:
    async with transaction(pool) as tx:
        await tx.execute("INSERT INTO colour VALUES ('red')")
        await tx.execute("SELECT 1/0")


async def test_a_cancelled_statement_leaves_a_usable_pool(pool: Pool) -> None:
    async def sleep() -> None:
        async with transaction(pool) as tx:
            await tx.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(sleep())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await pool.fetchval("SELECT 1") == 1
