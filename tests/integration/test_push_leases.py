"""Who holds an endpoint, and what a worker that died or was slow leaves behind."""

import asyncio
from datetime import datetime, timedelta

from linegate.postgres.pool import Connection as DatabaseConnection
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import Endpoint, keep_endpoints, lease_endpoints, release_endpoint
from linegate.report.pusher import Pusher
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard
from support.clock import FakeClock
from support.fault_server import Connection, serving
from support.pushing import a_registry, pushing
from support.reports import given_account


async def test_one_worker_at_a_time_holds_an_endpoint_until_its_lease_is_over(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    endpoint = await scene.endpoint("http://example.com/")
    await scene.finished(1, now=clock.now(), endpoint_id=endpoint)

    async def lease(now: datetime) -> list[int]:
        async with pool.acquire() as conn:
            leased = await lease_endpoints(
                conn, steady=5, doubtful=5, leased_until=now + timedelta(minutes=1), now=now
            )
        return [each.id for each in leased]

    both = await asyncio.gather(lease(clock.now()), lease(clock.now()))
    assert sorted(map(len, both)) == [0, 1]
    assert await lease(clock.now() + timedelta(seconds=59)) == []
    assert await lease(clock.now() + timedelta(seconds=61)) == [endpoint]


async def test_a_worker_that_lost_its_lease_neither_keeps_nor_gives_back_the_endpoint(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    await scene.finished(1, now=clock.now(), endpoint_id=await scene.endpoint("http://a.example/"))

    async def lease(now: datetime) -> list[Endpoint]:
        until = now + timedelta(seconds=15)
        async with pool.acquire() as conn:
            return await lease_endpoints(conn, steady=5, doubtful=5, leased_until=until, now=now)

    async def leased_until() -> datetime | None:
        async with pool.acquire() as conn:
            at: datetime | None = await conn.fetchval("SELECT leased_until FROM endpoint")
        return at

    (slow,) = await lease(clock.now())
    await clock.advance(timedelta(seconds=16))
    now = clock.now()
    (quick,) = await lease(now)
    async with pool.acquire() as conn:
        await keep_endpoints(conn, [slow], leased_until=now + timedelta(hours=1))
        await given_back(conn, slow, now)
        assert await leased_until() == now + timedelta(seconds=15)
        await keep_endpoints(conn, [quick], leased_until=now + timedelta(seconds=20))
        assert await leased_until() == now + timedelta(seconds=20)
        await given_back(conn, quick, now)
    assert await leased_until() is None


async def given_back(conn: DatabaseConnection, endpoint: Endpoint, now: datetime) -> None:
    """As a turn in which nothing was learnt ends."""
    await release_endpoint(
        conn,
        endpoint,
        failures=0,
        probe_at=None,
        last_error=None,
        taken_at=None,
        is_gone=False,
        now=now,
    )


async def test_a_crash_between_post_and_commit_repeats_the_same_body_under_the_same_id(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    arrived = asyncio.Event()

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            if not arrived.is_set():
                arrived.set()
                await connection.hold()
            await connection.answer()

    async with serving(behave) as server:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(3, now=clock.now(), endpoint_id=endpoint)
        async with WebhookClient(Guard(allow_private=True)) as client:
            pusher = Pusher(
                pool, clock, client, lambda _, __, sealed: sealed.decode(), a_registry()
            )
            await pusher.run_once()
            await asyncio.wait_for(arrived.wait(), 10)
            for turn in pusher._turns:  # the process dies: nothing is written, nothing given back
                turn.cancel()
            await asyncio.gather(*pusher._turns, return_exceptions=True)
        await clock.advance(timedelta(seconds=61))
        async with pushing(pool, clock) as push:
            await push()
    first, second = server.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert await scene.waiting() == []
