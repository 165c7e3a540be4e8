"""The pusher on real PostgreSQL against receivers that work, fail, hang and come back."""

import asyncio
import json
from datetime import timedelta

from standardwebhooks import Webhook

from linegate.postgres.pool import Pool
from linegate.webhook.client import WebhookTimeouts
from support.clock import FakeClock
from support.fault_server import Connection, FaultServer, answering, serving
from support.pushing import pushing
from support.reports import SECRET, Scene, given_account


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


async def test_what_is_written_late_does_not_wait_until_an_endpoint_has_a_rest(
    pool: Pool, clock: FakeClock
) -> None:
    """Each post is answered when the next one has come, so something is always under way."""
    scene = await given_account(pool, clock.now())
    began, posts = clock.now(), 12
    late: list[int] = []
    last = asyncio.Event()

    async def busy(connection: Connection) -> None:
        while True:
            await connection.read_request()
            number = len(connection.server.requests)
            await clock.advance(timedelta(milliseconds=300))
            if number < posts:
                await scene.finished(100, now=clock.now(), endpoint_id=endpoint)
            else:
                last.set()
            if number == 4:  # committed after later ones: its transaction was a long one
                late.extend(await scene.finished(1, now=began, endpoint_id=endpoint))
            while 1 < number == len(connection.server.requests) and not last.is_set():
                connection.server.arrived.clear()
                await connection.server.arrived.wait()
            await connection.answer()

    patient = WebhookTimeouts(connect=timedelta(seconds=5), total=timedelta(seconds=15))
    async with serving(busy) as server, pushing(pool, clock, patient) as push:
        endpoint = await scene.endpoint(server.url)
        await scene.finished(300, now=began, endpoint_id=endpoint)
        await push()
    told = ids_of(server)
    assert len(told) == 300 + 100 * (posts - 1) + 1
    assert told.index(f"{late[0]:016x}") < 700
