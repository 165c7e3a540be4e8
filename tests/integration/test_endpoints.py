"""What the operator sees of endpoints and does with them: states, counts, retry, replay."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from linegate.metrics import Metrics
from linegate.postgres.endpoints import (
    EndpointRow,
    list_endpoints,
    replay,
    retry_endpoint,
    set_price,
)
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import load_finished
from linegate.report.census import Census
from linegate.report.leftovers import Leftovers
from linegate.report.pusher import Pusher
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard
from support.clock import FakeClock
from support.fault_server import Connection, FaultServer, answering, serving
from support.reports import Scene, given_account

HOUR = timedelta(hours=1)


async def push(pool: Pool, clock: FakeClock) -> None:
    async with WebhookClient(Guard(allow_private=True)) as client:
        metrics = Metrics(CollectorRegistry())
        pusher = Pusher(pool, clock, client, lambda _, __, sealed: sealed.decode(), metrics)
        await pusher.run_once()
        await asyncio.gather(*pusher._turns)


async def row_of(scene: Scene, endpoint: int) -> EndpointRow:
    async with scene.pool.acquire() as conn:
        (row,) = await list_endpoints(conn, endpoint_id=endpoint)
    return row


async def again(scene: Scene, endpoint: int, clock: FakeClock, *, with_taken: bool = False) -> int:
    async with scene.pool.acquire() as conn:
        return await replay(
            conn,
            endpoint,
            since=clock.now() - HOUR,
            until=clock.now() + HOUR,
            with_taken=with_taken,
            now=clock.now(),
        )


def count(server: FaultServer) -> int:
    return len(server.requests)


async def test_an_endpoint_tells_its_state_and_what_waits(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering(500)) as server:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(3, now=clock.now(), endpoint_id=endpoint)
        row = await row_of(scene, endpoint)
        assert (row.state, row.waiting, row.given_up) == ("new", 3, 0)
        await push(pool, clock)
    row = await row_of(scene, endpoint)
    assert (row.state, row.last_error, row.account) == ("failing", "answered 500", "shop")
    assert row.next_at == clock.now() + timedelta(minutes=1)


async def test_retry_tries_now_what_would_wait(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    code = [410]

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            await connection.answer(code[0])

    async with serving(behave) as server:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push(pool, clock)
        assert (await row_of(scene, endpoint)).state == "gone"
        code[0] = 500
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push(pool, clock)
        assert count(server) == 1
        async with pool.acquire() as conn:
            assert await retry_endpoint(conn, endpoint, now=clock.now()) == 0
        await push(pool, clock)
        assert count(server) == 2
        code[0] = 200
        async with pool.acquire() as conn:
            assert await retry_endpoint(conn, endpoint, now=clock.now()) == 1
        await push(pool, clock)
    row = await row_of(scene, endpoint)
    assert (row.state, row.waiting, row.given_up) == ("working", 0, 1)


@pytest.mark.parametrize(("with_taken", "expected"), [(False, 2), (True, 5)])
async def test_a_range_of_time_can_be_replayed(
    pool: Pool, clock: FakeClock, with_taken: bool, expected: int
) -> None:
    scene = await given_account(pool, clock.now())
    code = [200]

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            await connection.answer(code[0])

    async with serving(behave) as server:
        endpoint = await scene.endpoint(server.url)
        other = await scene.endpoint(server.url + "/other")
        await scene.finished(1, now=clock.now() - 3 * HOUR, endpoint_id=endpoint)
        await scene.finished(3, now=clock.now(), endpoint_id=endpoint)
        await scene.finished(1, now=clock.now(), endpoint_id=other)
        await push(pool, clock)
        code[0] = 410
        await scene.finished(2, now=clock.now(), endpoint_id=endpoint)
        await push(pool, clock)
        assert (await row_of(scene, endpoint)).given_up == 2
        assert await again(scene, endpoint, clock, with_taken=with_taken) == expected
    assert (await row_of(scene, endpoint)).waiting == expected


async def test_the_census_counts_by_endpoint_and_forgets_the_empty(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    registry = CollectorRegistry()
    census = Census(pool, Metrics(registry))
    endpoint = await scene.endpoint("https://example.com/")
    await scene.finished(4, now=clock.now(), endpoint_id=endpoint)
    label = {"endpoint": str(endpoint)}
    await census.run_once()
    assert registry.get_sample_value("linegate_reports_waiting", label) == 4
    async with pool.acquire() as conn:
        await conn.execute("DELETE FROM push")
    await census.run_once()
    assert registry.get_sample_value("linegate_reports_waiting", label) == 0


async def test_a_price_stands_in_reports_until_it_is_taken_back(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    ids = await scene.finished(1, now=clock.now())
    async with pool.acquire() as conn:
        named = {"account": "shop", "sender": "shop-sender"}
        assert await set_price(conn, price="0.015", currency="JPY", **named)
        (report,) = await load_finished(conn, ids)
        assert (str(report.price), report.currency) == ("0.015000", "JPY")
        assert await set_price(conn, price=None, currency=None, **named)
        (report,) = await load_finished(conn, ids)
        assert report.price is None
        assert not await set_price(conn, account="shop", sender="nobody", price="1", currency="JPY")


async def test_what_was_given_up_goes_when_its_message_would(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering(410)) as server:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(2, now=clock.now(), endpoint_id=endpoint)
        await push(pool, clock)
    (orphan,) = await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
    (waiting,) = await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
    async with pool.acquire() as conn:
        await conn.execute("DELETE FROM message WHERE id = $1", orphan)
    leftovers = Leftovers(pool, clock, keep_for=timedelta(days=30))
    assert await leftovers.run_once() == 0
    await clock.advance(timedelta(days=31))
    assert await leftovers.run_once() == 3
    assert await leftovers.run_once() == 0
    assert [row["message_id"] for row in await scene.waiting()] == [waiting]
