"""The pusher on real PostgreSQL against receivers that work, fail, hang and come back."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from linegate.metrics import Metrics
from linegate.postgres.pool import Connection as DatabaseConnection
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import (
    DueReport,
    Endpoint,
    keep_endpoints,
    lease_endpoints,
    release_endpoint,
)
from linegate.report.pusher import Pusher
from linegate.webhook.client import WebhookClient, WebhookTimeouts
from linegate.webhook.guard import Guard
from support.clock import FakeClock
from support.fault_server import Connection, FaultServer, answering, serving
from support.reports import SECRET, Scene, given_account

QUICK = WebhookTimeouts(connect=timedelta(seconds=0.3), total=timedelta(seconds=0.5))
Rounds = Callable[[], Awaitable[None]]


@asynccontextmanager
async def pushing(pool: Pool, clock: FakeClock) -> AsyncIterator[Rounds]:
    """Gives what leases everything due and returns when all of it was tried."""
    async with WebhookClient(Guard(allow_private=True), timeouts=QUICK) as client:

        async def once() -> None:
            pusher = Pusher(
                pool, clock, client, lambda _, __, sealed: sealed.decode(), a_registry()
            )
            await pusher.run_once()
            await asyncio.gather(*pusher._turns)
            await pusher.aclose()

        yield once


def a_registry() -> Metrics:
    return Metrics(CollectorRegistry())


def ids_of(server: FaultServer) -> list[str]:
    return [
        report["messageId"]
        for request in server.requests
        for report in json.loads(request.body)["results"]
    ]


async def tries(scene: Scene) -> list[tuple[int, str]]:
    async with scene.pool.acquire() as conn:
        rows = await conn.fetch("SELECT code, detail FROM push_try ORDER BY tried_at, message_id")
    return [(row["code"], row["detail"]) for row in rows]


async def test_a_report_arrives_once_with_every_field(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with pool.acquire() as conn:
        await conn.execute("UPDATE sender SET price = 0.15, currency = 'EUR'")
    async with serving(answering()) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(
            1,
            now=clock.now(),
            endpoint_id=endpoint,
            client_ids=["MSG-1"],
            entity="e",
            application="a",
            campaign="c",
        )
        await push()
        await push()
    (request,) = server.requests
    (report,) = json.loads(request.body)["results"]
    assert report["bulkId"]
    del report["bulkId"]
    assert report == {
        "price": {"pricePerMessage": 0.15, "currency": "EUR"},
        "status": {
            "groupId": 3,
            "groupName": "DELIVERED",
            "id": 5,
            "name": "DELIVERED_TO_HANDSET",
            "description": "Message delivered to handset",
        },
        "error": {
            "groupId": 0,
            "groupName": "OK",
            "id": 0,
            "name": "NO_ERROR",
            "description": "No Error",
            "permanent": False,
        },
        "messageId": "MSG-1",
        "to": "66855538125",
        "sender": "shop-sender",
        "sentAt": "2026-01-15T08:59:59.000+0000",
        "doneAt": "2026-01-15T09:00:00.000+0000",
        "messageCount": 1,
        "callbackData": "order-7",
        "platform": {"entityId": "e", "applicationId": "a"},
        "campaignReferenceId": "c",
    }
    assert await scene.waiting() == []
    assert await tries(scene) == [(200, "")]


async def test_every_push_is_signed_the_standard_way(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering()) as server, pushing(pool, clock) as push:
        await scene.finished(2, now=clock.now(), endpoint_id=await scene.endpoint(server.url))
        await push()
    (request,) = server.requests
    signed = {**request.headers, "webhook-timestamp": request.headers["webhook-timestamp"]}
    checked = Webhook(SECRET)
    checked._Webhook__verify_timestamp = lambda _: clock.now()  # type: ignore[attr-defined]
    assert len(checked.verify(request.body, signed)["results"]) == 2


async def test_reports_go_in_batches_of_a_hundred_in_their_order(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering()) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        ids = await scene.finished(250, now=clock.now(), endpoint_id=endpoint)
        await push()
    assert sorted(ids_of(server)) == sorted(f"{id_:016x}" for id_ in ids)
    assert sorted(len(json.loads(r.body)["results"]) for r in server.requests) == [50, 100, 100]


async def test_xml_where_the_endpoint_takes_xml(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering()) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url, content_type="application/xml")
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push()
    (request,) = server.requests
    assert request.headers["content-type"] == "application/xml"
    assert b"<DeliveryReports><results><result><bulkId>" in request.body


async def test_a_failed_report_follows_the_published_schedule_and_is_given_up_after_20_retries(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    start = clock.now()
    tried: list[timedelta] = []
    async with serving(answering(500)) as server, pushing(pool, clock) as push:
        await scene.finished(1, now=start, endpoint_id=await scene.endpoint(server.url))
        while True:
            seen = len(server.requests)
            await push()
            assert len(server.requests) == seen + 1
            tried.append(clock.now() - start)
            (row,) = await scene.waiting()
            if row["given_up_at"] is not None:
                break
            await clock.advance(row["retry_at"] - clock.now())
    minutes = [round(each.total_seconds() / 60) for each in tried]
    assert minutes[:7] == [0, 1, 3, 8, 18, 35, 61]
    assert len(minutes) == 21
    assert minutes[-1] == 2490
    assert len({request.headers["webhook-id"] for request in server.requests}) == 1


async def test_an_endpoint_in_doubt_is_asked_with_one_post_and_rests_in_between(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering(503)) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(1000, now=clock.now(), endpoint_id=endpoint)
        await push()
        assert len(server.requests) == 3  # three rounds in a row, one post each: now it is in doubt
        await push()
        assert len(server.requests) == 3  # it rests
        await clock.advance(timedelta(seconds=2))
        await push()
        assert len(server.requests) == 4  # one probe
    untried = [row for row in await scene.waiting() if row["tries"] == 0]
    assert len(untried) == 600


async def test_all_goes_out_once_an_endpoint_is_back(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    code = [500]

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            await connection.answer(code[0])

    async with serving(behave) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        ids = await scene.finished(500, now=clock.now(), endpoint_id=endpoint)
        await push()
        code[0] = 200
        server.requests.clear()
        await clock.advance(timedelta(minutes=2))
        await push()
    assert sorted(ids_of(server)) == sorted(f"{id_:016x}" for id_ in ids)
    assert await scene.waiting() == []


async def test_what_waits_behind_a_dead_endpoint_is_given_up_after_41_and_a_half_hours(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering(500)) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(1000, now=clock.now(), endpoint_id=endpoint)
        await push()
        await clock.advance(timedelta(hours=41, minutes=32))
        fresh = await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push()
    left = [row["message_id"] for row in await scene.waiting() if row["given_up_at"] is None]
    assert left == fresh


async def test_410_gives_up_what_waits_and_rests_for_a_day(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering(410)) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(300, now=clock.now(), endpoint_id=endpoint)
        await push()
        assert len(server.requests) == 1
        assert all(row["given_up_at"] for row in await scene.waiting())
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await clock.advance(timedelta(hours=23))
        await push()
        assert len(server.requests) == 1
        await clock.advance(timedelta(hours=2))
        await push()
        assert len(server.requests) == 2


async def test_retry_after_is_kept_by_the_whole_endpoint(pool: Pool, clock: FakeClock) -> None:
    scene = await given_account(pool, clock.now())
    async with (
        serving(answering(429, b"", "Retry-After: 600")) as server,
        pushing(pool, clock) as push,
    ):
        endpoint = await scene.endpoint(server.url)
        await scene.finished(300, now=clock.now(), endpoint_id=endpoint)
        await push()
        await clock.advance(timedelta(minutes=9))
        await push()
        assert len(server.requests) == 1
        await clock.advance(timedelta(minutes=2))
        await push()
        assert len(server.requests) == 2


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


async def test_a_report_that_joins_a_retried_batch_does_not_share_its_id(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    codes = iter([500, 200, 200])

    async def behave(connection: Connection) -> None:
        while True:
            await connection.read_request()
            await connection.answer(next(codes))

    async with serving(behave) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(2, now=clock.now(), endpoint_id=endpoint)
        await push()
        await clock.advance(timedelta(minutes=1))
        await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push()
    failed, *later = server.requests
    assert sorted(len(json.loads(each.body)["results"]) for each in later) == [1, 2]
    (repeat,) = [each for each in later if len(json.loads(each.body)["results"]) == 2]
    assert (repeat.body, repeat.headers["webhook-id"]) == (
        failed.body,
        failed.headers["webhook-id"],
    )


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
