"""How the messages of a bulk ended is counted exactly, however large it is."""

from linegate.postgres.console import fates_of_bulk
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.statistics import roll_tally
from support.clock import FakeClock
from support.reports import Scene, given_account

_LARGE, _SMALL = 1001, 3

_STEERED = """
INSERT INTO bulk_run (bulk_id, account_id, last_id, status, messages, send_at, free_at, changed_at)
SELECT id, account_id, last_id, 'processing', messages, now(), now(), now() FROM bulk
"""


async def fates(scene: Scene) -> dict[int, dict[int, int]]:
    """Ends by status, of each bulk by its size."""
    async with scene.pool.acquire() as conn:
        return {
            row["messages"]: await fates_of_bulk(
                conn, row["id"], row["last_id"], messages=row["messages"]
            )
            for row in await conn.fetch("SELECT id, last_id, messages FROM bulk")
        }


async def test_fates_are_exact_before_while_and_after_they_are_added_up(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    for size in (_LARGE, _SMALL):
        await scene.finished(size, now=clock.now())
    async with pool.acquire() as conn:
        await conn.execute(_STEERED)
    expected = {_LARGE: {5: _LARGE}, _SMALL: {5: _SMALL}}
    assert await fates(scene) == expected
    for _ in range(5):  # accepted and ended, of two bulks: four rows, one at a time
        async with transaction(pool) as conn:
            await roll_tally(conn, limit=1)
        assert await fates(scene) == expected
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM tally") == 0
        assert await conn.fetchval("SELECT count(*) FROM bulk_fate") == 1
