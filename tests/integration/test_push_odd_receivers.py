"""Receivers that hang, dawdle, close, redirect or never end, and what they cost us."""

import asyncio
import gc
from datetime import timedelta

import pytest

from linegate.postgres.pool import Pool
from linegate.postgres.reporting import DueReport
from linegate.report.pusher import Pusher
from linegate.webhook.client import WebhookClient
from linegate.webhook.guard import Guard
from support.clock import FakeClock
from support.fault_server import Connection, answering, serving
from support.pushing import a_registry, pushing
from support.reports import given_account


async def test_endpoints_that_hang_do_not_hold_up_one_that_answers(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    taken = asyncio.Event()
    hanging = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.read_request()
        taken.set()
        await connection.answer()

    async def hang(connection: Connection) -> None:
        await connection.read_request()
        hanging.set()
        await connection.hold()

    async with serving(hang) as dead, serving(answer) as alive:
        for number in range(150):
            endpoint = await scene.endpoint(f"{dead.url}/{number}")
            await scene.finished(3, now=clock.now(), endpoint_id=endpoint)
        good = await scene.endpoint(alive.url)
        async with pool.acquire() as conn:
            await conn.execute("UPDATE endpoint SET taken_at = $1 WHERE id = $2", clock.now(), good)
        async with WebhookClient(Guard(allow_private=True)) as client:  # 15 s of patience
            pusher = Pusher(
                pool, clock, client, lambda _, __, sealed: sealed.decode(), a_registry()
            )
            await pusher.run_once()
            await asyncio.wait_for(hanging.wait(), 10)
            await scene.finished(1, now=clock.now(), endpoint_id=good)
            assert await pusher.run_once() == 0  # it has looked just now
            assert pusher.next_at() == clock.now() + timedelta(milliseconds=20)
            await clock.advance(timedelta(milliseconds=20))
            assert await pusher.run_once() >= 1
            await asyncio.wait_for(taken.wait(), 10)
            for turn in pusher._turns:
                turn.cancel()
            await asyncio.gather(*pusher._turns, return_exceptions=True)


async def test_few_of_the_reports_that_wait_for_one_endpoint_are_in_memory(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    is_full = asyncio.Event()

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            if len(server.requests) > 40:  # the window is open by now: all of it stays under way
                if len(server.requests) >= 55:
                    is_full.set()
                await connection.hold()
            await connection.answer()

    async with serving(behave) as server, WebhookClient(Guard(allow_private=True)) as client:
        endpoint = await scene.endpoint(server.url)
        for _ in range(4):
            await scene.finished(5000, now=clock.now(), endpoint_id=endpoint)
        pusher = Pusher(pool, clock, client, lambda _, __, sealed: sealed.decode(), a_registry())
        await pusher.run_once()
        await asyncio.wait_for(is_full.wait(), 30)
        held = sum(isinstance(each, DueReport) for each in gc.get_objects())
        for turn in pusher._turns:
            turn.cancel()
        await asyncio.gather(*pusher._turns, return_exceptions=True)
    assert len(await scene.waiting()) > 15_000
    assert 1500 <= held <= 4000  # 20 posts of 100, and what was read for the next


async def byte_by_byte(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
    while True:
        await connection.send(b"x")
        await asyncio.sleep(0.01)


async def two_gigabytes(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n")
    while True:
        await connection.send(b"x" * 65536)


async def close(connection: Connection) -> None:
    await connection.read_request()


ODD = {
    "byte by byte": byte_by_byte,
    "endless": two_gigabytes,
    "closed": close,
    "redirect": answering(302, b"", "Location: http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("behaviour", list(ODD))
async def test_odd_receivers_end_a_turn_in_bounded_time(
    pool: Pool, clock: FakeClock, behaviour: str
) -> None:
    scene = await given_account(pool, clock.now())

    async with serving(ODD[behaviour]) as server, pushing(pool, clock) as push:
        await scene.finished(1, now=clock.now(), endpoint_id=await scene.endpoint(server.url))
        await asyncio.wait_for(push(), 10)
    is_taken = behaviour in ("byte by byte", "endless")
    assert (await scene.waiting() == []) is is_taken
