"""Counts and cost are exact at any moment, and each message is added up exactly once."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linegate.api.pressure import Pressure
from linegate.cli.accounts import account_id_of
from linegate.cli.keys import create_key
from linegate.dispatch.reconciler import Reconciler
from linegate.dispatch.senders import Senders
from linegate.domain.policy import Limits
from linegate.line.client import LineClient
from linegate.line.tokens import FixedToken
from linegate.postgres.dispatching import Arrived, deliver, record_late
from linegate.postgres.divisions import set_account
from linegate.postgres.pool import Pool
from linegate.postgres.statistics import list_line_counts
from linegate.report.rollup import Rollup
from support.clock import FakeClock
from support.fault_server import answering, serving
from support.gateway import ACCOUNT, SENDER, Answer, Gateway, a_request, running_api
from support.world import metrics

BAD = "12"
TOKYO = {"platform": {"entityId": "tokyo"}, "campaignReferenceId": "spring"}


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return "App " + await create_key(gateway.store, ACCOUNT, name="all")


async def send(gateway: Gateway, key: str, *numbers: str, **more: Any) -> Answer:
    request = a_request(*numbers, **more)
    return await gateway.call("POST", "/line/1/messages", authorization=key, json=request)


async def counts(gateway: Gateway, key: str, query: str = "") -> list[dict[str, Any]]:
    answer = await gateway.call("GET", f"/line/1/statistics?{query}", authorization=key)
    assert answer.status == 200, answer.body
    results: list[dict[str, Any]] = answer.json["results"]
    return results


async def deliver_all(pool: Pool, clock: FakeClock) -> None:
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, attempt, sender_id FROM queue")
        events = [Arrived(row["id"], row["attempt"], row["sender_id"], clock.now()) for row in rows]
        await deliver(conn, events, now=clock.now())


async def roll(pool: Pool, clock: FakeClock) -> None:
    rollup = Rollup(pool, clock)
    while await rollup.run_once():
        pass


async def test_figures_are_the_same_before_and_after_they_are_added_up(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        await conn.execute("UPDATE sender SET price = 1.5, currency = 'JPY'")
    await send(gateway, key, "819010000001", "819010000002", BAD, options=TOKYO)
    await deliver_all(pool, clock)
    await send(gateway, key)
    fresh = await counts(gateway, key)
    assert fresh == [
        {
            "accepted": 4,
            "pending": 1,
            "statuses": {"DELIVERED_TO_HANDSET": 2, "REJECTED_DESTINATION": 1},
            "bySms": 0,
            "cost": [{"amount": 3.0, "currency": "JPY"}],
        }
    ]
    await roll(pool, clock)
    assert await counts(gateway, key) == fresh
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM tally") == 0
        assert await conn.fetchval("SELECT array_agg(waiting) FROM backlog") == [1, 1]


async def test_counts_are_told_apart_and_filtered(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    await send(gateway, key, options=TOKYO)
    await clock.advance(timedelta(days=1))
    await send(gateway, key, "819010000001", "819010000002")
    await roll(gateway.store.pool, clock)
    by_day = await counts(gateway, key, "groupBy=day,sender")
    assert [(each["day"], each["sender"], each["accepted"]) for each in by_day] == [
        ("2026-01-15", SENDER, 1),
        ("2026-01-16", SENDER, 2),
    ]
    assert [each["accepted"] for each in await counts(gateway, key, "entityId=tokyo")] == [1]
    assert [each["accepted"] for each in await counts(gateway, key, "from=2026-01-16")] == [2]
    assert await counts(gateway, key, "campaignReferenceId=autumn") == []
    entity = await counts(gateway, key, "groupBy=entity,campaign&entityId=tokyo")
    assert (entity[0]["entityId"], entity[0]["campaignReferenceId"]) == ("tokyo", "spring")


async def test_two_that_add_up_at_once_count_nothing_twice(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    for _ in range(20):
        await send(gateway, key)
    await asyncio.gather(roll(pool, clock), roll(pool, clock), deliver_all(pool, clock))
    await asyncio.gather(roll(pool, clock), roll(pool, clock))
    (only,) = await counts(gateway, key)
    assert (only["accepted"], only["pending"]) == (20, 0)
    assert only["statuses"] == {"DELIVERED_TO_HANDSET": 20}


@pytest.mark.parametrize(
    "query",
    ["groupBy=colour", "from=yesterday", "from=2026-02-01", "to=20260101", "from=1026-01-01"],
)
async def test_what_cannot_be_counted_is_a_violation(
    gateway: Gateway, key: str, query: str
) -> None:
    answer = await gateway.call("GET", f"/line/1/statistics?{query}", authorization=key)
    assert answer.status == 400
    assert answer.json["violations"]


async def test_account_that_is_full_is_refused_before_anything_is_written(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        account_id = await account_id_of(conn, ACCOUNT)
        limits = Limits(waiting=3)
        await set_account(conn, account_id, default_sender=None, limits=limits, retention_days=None)
    assert (await send(gateway, key, "819010000001", "819010000002")).status == 200
    refused = await send(gateway, key, "819010000003", "819010000004")
    assert refused.status == 429
    assert "Retry-After" in refused.headers
    assert "has 2" in refused.json["violations"][0]["violation"]
    assert (await send(gateway, key)).status == 200
    assert (await send(gateway, key)).status == 429
    await deliver_all(pool, clock)
    await clock.advance(timedelta(seconds=2))
    await roll(pool, clock)
    await clock.advance(timedelta(seconds=2))
    assert (await send(gateway, key)).status == 200


async def test_overload_of_the_installation_is_a_503_with_retry_after(
    database_url: str, clock: FakeClock
) -> None:
    async with running_api(database_url, clock, waiting_limit="2") as gateway:
        key = "App " + await create_key(gateway.store, ACCOUNT, name="all")
        assert (await send(gateway, key, "819010000001", "819010000002")).status == 200
        await roll(gateway.store.pool, clock)
        await clock.advance(timedelta(seconds=2))
        refused = await send(gateway, key)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "30")
        await deliver_all(gateway.store.pool, clock)
        await roll(gateway.store.pool, clock)
        await clock.advance(timedelta(seconds=2))
        assert (await send(gateway, key)).status == 200


async def test_nothing_is_taken_while_the_disk_has_less_than_its_reserve(
    pool: Pool, clock: FakeClock, tmp_path: Path
) -> None:
    whole_disk = shutil.disk_usage(tmp_path).total
    full = Pressure(pool, home=tmp_path, disk_reserve=whole_disk + 1, waiting_limit=0)
    assert await full.refusal(clock.now()) == "the disk is nearly full"
    roomy = Pressure(pool, home=tmp_path, disk_reserve=1, waiting_limit=0)
    assert await roomy.refusal(clock.now()) is None
    elsewhere = Pressure(pool, home=None, disk_reserve=whole_disk + 1, waiting_limit=0)
    assert await elsewhere.refusal(clock.now()) is None


async def test_lines_own_count_is_kept_beside_ours_and_asked_until_it_is_ready(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        await conn.execute("UPDATE sender SET created_at = $1", clock.now())
    await send(gateway, key, "819010000001", "819010000002")
    await deliver_all(pool, clock)
    await roll(pool, clock)
    await clock.advance(timedelta(days=1))  # 18:00 of the next day at LINE
    senders = Senders(pool, clock, metrics(), lambda _: FixedToken("token"))
    await senders.run_once()
    for body, said in ((b'{"status":"unready"}', None), (b'{"status":"ready","success":3}', 3)):
        async with serving(answering(200, body)) as server, LineClient(server.url) as line:
            reconciler = Reconciler(pool, clock, senders, line)
            await reconciler.run_once()
            asked = [request.line.split()[1] for request in server.requests]
            await reconciler.run_once()
            assert len(server.requests) == len(asked)  # not again so soon
        assert asked == [
            "/v2/bot/message/delivery/pnp?date=20260115",
            "/v2/bot/message/delivery/pnp/templated?date=20260115",
        ]
        async with pool.acquire() as conn:
            rows = await list_line_counts(conn, account_id=None, since=clock.now().date().min)
        (flexible,) = [row for row in rows if not row.templated]
        assert (flexible.delivered, flexible.line_says) == (2, said)
        await clock.advance(timedelta(hours=4))
    assert flexible.difference == 1


async def test_delivery_after_another_end_is_told_as_late(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        await conn.execute("UPDATE sender SET created_at = $1", clock.now())
    await send(gateway, key)
    async with pool.acquire() as conn:
        (row,) = await conn.fetch(
            "DELETE FROM queue RETURNING id, object_id, account_id, sender_id"
        )
        await conn.execute(
            "INSERT INTO final (message_id, account_id, object_id, status, error, sent_at, done_at)"
            " VALUES ($1, $2, $3, 15, 3, $4, $4)",
            row["id"],
            row["account_id"],
            row["object_id"],
            clock.now(),
        )
        event = Arrived(row["id"], 1, row["sender_id"], clock.now())
        assert await record_late(conn, [event], now=clock.now()) == 1
    await clock.advance(timedelta(days=1))
    senders = Senders(pool, clock, metrics(), lambda _: FixedToken("token"))
    await senders.run_once()
    body = b'{"status":"ready","success":1}'
    async with serving(answering(200, body)) as server, LineClient(server.url) as line:
        await Reconciler(pool, clock, senders, line).run_once()
    async with pool.acquire() as conn:
        rows = await list_line_counts(conn, account_id=None, since=clock.now().date().min)
    assert [(row.late, row.difference) for row in rows if not row.templated] == [(1, 0)]


async def test_second_delivery_of_a_message_is_late_and_a_repeated_event_is_not(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        await conn.execute("UPDATE sender SET created_at = $1", clock.now())
    await send(gateway, key)
    async with pool.acquire() as conn:
        # Sent twice, since nobody knew whether LINE had it; LINE tells of the second one first.
        row = await conn.fetchrow("UPDATE queue SET attempt = 2 RETURNING id, sender_id")
        events = [Arrived(row["id"], attempt, row["sender_id"], clock.now()) for attempt in (2, 1)]
        await deliver(conn, events[:1], now=clock.now())
        assert await record_late(conn, [*events, events[1]], now=clock.now()) == 3
    await roll(pool, clock)
    await clock.advance(timedelta(days=1))
    senders = Senders(pool, clock, metrics(), lambda _: FixedToken("token"))
    await senders.run_once()
    body = b'{"status":"ready","success":2}'
    async with serving(answering(200, body)) as server, LineClient(server.url) as line:
        await Reconciler(pool, clock, senders, line).run_once()
    async with pool.acquire() as conn:
        rows = await list_line_counts(conn, account_id=None, since=clock.now().date().min)
    (told,) = [row for row in rows if not row.templated]
    assert (told.delivered, told.late, told.difference) == (1, 1, 0)


async def test_what_an_sms_delivered_costs_its_own_price_and_is_not_lines(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    async with pool.acquire() as conn:
        await conn.execute("UPDATE sender SET price = 1.5, currency = 'JPY'")
    await send(gateway, key, "819010000001", "819010000002")
    async with pool.acquire() as conn:
        (row,) = await conn.fetch(
            "DELETE FROM queue WHERE id = (SELECT min(id) FROM queue)"
            " RETURNING id, object_id, account_id"
        )
        await conn.execute(
            "WITH ended AS (INSERT INTO final"
            " (message_id, account_id, object_id, status, error, sent_at, done_at)"
            " VALUES ($1, $2, $3, 5, 0, $4, $4))"
            " INSERT INTO sms_end (message_id, sender, parts, price, currency, line_status,"
            " line_error) VALUES ($1, 'SMS', 2, 0.08, 'EUR', 15, 3)",
            row["id"],
            row["account_id"],
            row["object_id"],
            clock.now(),
        )
    await deliver_all(pool, clock)
    fresh = await counts(gateway, key)
    assert fresh == [
        {
            "accepted": 2,
            "pending": 0,
            "statuses": {"DELIVERED_TO_HANDSET": 2},
            "bySms": 1,
            "cost": [{"amount": 0.08, "currency": "EUR"}, {"amount": 1.5, "currency": "JPY"}],
        }
    ]
    await roll(pool, clock)
    assert await counts(gateway, key) == fresh
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT delivered FROM line_count") == 1
