"""Daily limits under requests at once: what passes and what is refused is exact."""

import asyncio

from linegate.api.quotas import Quotas, Wanted
from linegate.postgres.pool import Pool
from support.clock import FakeClock
from support.reports import given_account
from support.waiting import until

MOST = 1_000_000
WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def test_what_small_requests_use_while_a_large_one_asks_is_asked_for_again(
    pool: Pool, clock: FakeClock
) -> None:
    """It was refused, with nearly all of the day left."""
    account = (await given_account(pool, clock.now())).account_id
    quotas, now = Quotas(pool), clock.now()
    assert await quotas.take(account, [Wanted("account", 1, MOST)], now) is None
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM quota_use FOR UPDATE")
        large = asyncio.create_task(quotas.take(account, [Wanted("account", 700, MOST)], now))
        await until(lambda: other.fetchval(WAITS))
        assert await quotas.take(account, [Wanted("account", 400, MOST)], now) is None
    assert await large is None
    await quotas.aclose()
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT used FROM quota_use") == 1 + 400 + 700


async def test_the_last_messages_of_a_day_are_given_and_no_more(
    pool: Pool, clock: FakeClock
) -> None:
    account = (await given_account(pool, clock.now())).account_id
    first, second, now = Quotas(pool), Quotas(pool), clock.now()
    asks = [Wanted("account", 7, 100)] * 20
    answers = await asyncio.gather(
        *((first if at % 2 else second).take(account, [ask], now) for at, ask in enumerate(asks))
    )
    assert answers.count(None) == 14  # 98 of 100
    assert await first.take(account, [Wanted("account", 3, 100)], now) is not None
    await first.aclose()
    await second.aclose()
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT used FROM quota_use") == 98
