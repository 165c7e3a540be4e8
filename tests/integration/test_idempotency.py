"""A request with an Idempotency-Key is taken once, however and wherever it is repeated."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from linegate.accept.forgetter import Forgetter
from linegate.cli.keys import create_key
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api

CLAIM = """
    INSERT INTO idempotency (account_id, key, body_digest, accepted_at)
    SELECT id, 'k', 'other', $1 FROM account
"""


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


@pytest.fixture
async def key(gateway: Gateway) -> str:
    return "App " + await create_key(gateway.store, ACCOUNT, name="")


async def send(gateway: Gateway, key: str, request: Any, *, once: str | None = "k") -> Answer:
    headers = {"Content-Type": "application/json"}
    if once is not None:
        headers["Idempotency-Key"] = once
    return await gateway.call(
        "POST",
        "/line/1/messages",
        authorization=key,
        headers=headers,
        data=json.dumps(request).encode(),
    )


async def messages_of(gateway: Gateway) -> int:
    async with gateway.store.pool.acquire() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM message"))


async def test_repeat_gets_the_first_answer_and_sends_nothing(gateway: Gateway, key: str) -> None:
    request = a_request("819010000001", "nonsense", "819010000002")
    first, second = await send(gateway, key, request), await send(gateway, key, request)
    assert (first.status, second.status) == (200, 200)
    assert second.body == first.body
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await messages_of(gateway) == 3


async def test_large_answer_is_kept_whole(gateway: Gateway, key: str) -> None:
    request = a_request(*(f"8190100{n:05}" for n in range(3000)))
    first, second = await send(gateway, key, request), await send(gateway, key, request)
    assert len(first.json["messages"]) == 3000
    assert second.body == first.body


async def test_same_key_with_another_body_is_422(gateway: Gateway, key: str) -> None:
    await send(gateway, key, a_request())
    answer = await send(gateway, key, a_request("819010000002"))
    assert (answer.status, answer.json["errorCode"]) == (422, "E422")
    assert answer.json["violations"][0]["property"] == "Idempotency-Key"
    assert await messages_of(gateway) == 1


async def test_repeat_after_a_day_is_a_new_request(
    gateway: Gateway, key: str, clock: FakeClock
) -> None:
    first = await send(gateway, key, a_request())
    await clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert (await send(gateway, key, a_request())).body == first.body
    await clock.advance(timedelta(seconds=1))
    assert (await send(gateway, key, a_request())).body != first.body


async def test_repeat_counts_though_the_request_would_not_pass_any_more(
    gateway: Gateway, key: str
) -> None:
    first = await send(gateway, key, a_request())
    async with gateway.store.pool.acquire() as conn:
        await conn.execute("UPDATE sender SET countries = '{TH}'")
    assert (await send(gateway, key, a_request())).body == first.body


async def test_refused_request_keeps_no_key(gateway: Gateway, key: str) -> None:
    assert (await send(gateway, key, {"messages": []})).status == 400
    assert (await send(gateway, key, a_request())).status == 200


async def test_request_refused_for_its_bulk_id_keeps_no_key(gateway: Gateway, key: str) -> None:
    request = {**a_request(), "options": {"schedule": {"bulkId": "b"}}}
    assert (await send(gateway, key, request, once=None)).status == 200
    assert (await send(gateway, key, request)).status == 400
    assert (await send(gateway, key, a_request())).status == 200


async def test_key_is_the_accounts_own(gateway: Gateway, key: str) -> None:
    first = await send(gateway, key, a_request())
    other = "App " + await create_key(gateway.store, ACCOUNT, name="other")
    assert (await send(gateway, other, a_request())).body == first.body


@pytest.mark.parametrize("once", ["", " ", "x" * 256, "caf\u00e9"])
async def test_malformed_key_is_refused(gateway: Gateway, key: str, once: str) -> None:
    answer = await send(gateway, key, a_request(), once=once)
    assert answer.status == 400
    assert answer.json["violations"][0]["property"] == "Idempotency-Key"


async def test_concurrent_repeats_to_two_processes_are_one_request(
    gateway: Gateway, key: str, database_url: str, clock: FakeClock
) -> None:
    async with running_api(database_url, clock) as second:
        answers = await asyncio.gather(
            *(
                send(each, key, a_request(), once=f"k{name}")
                for name in range(5)
                for each in (gateway, second) * 6
            )
        )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 5
    assert await messages_of(gateway) == 5


async def test_concurrent_requests_with_one_key_and_different_bodies_are_one_and_refusals(
    gateway: Gateway, key: str
) -> None:
    answers = await asyncio.gather(
        *(send(gateway, key, a_request(f"81901000000{n}")) for n in range(8))
    )
    assert sorted(answer.status for answer in answers) == [200] + [422] * 7
    assert await messages_of(gateway) == 1


@pytest.mark.parametrize(("ending", "status"), [("ROLLBACK", 200), ("COMMIT", 422)])
async def test_repeat_waits_for_a_first_whose_end_is_open(
    gateway: Gateway, key: str, database_url: str, clock: FakeClock, ending: str, status: int
) -> None:
    first = await asyncpg.connect(database_url)
    try:
        await first.execute("BEGIN")
        await first.execute(CLAIM, clock.now())
        await first.execute("UPDATE idempotency SET answer = '\\x789c030000000001'")
        repeat = asyncio.create_task(send(gateway, key, a_request()))
        await until_waiting(first)
        assert not repeat.done()
        await first.execute(ending)
        assert (await repeat).status == status
    finally:
        await first.close()


async def test_lost_commit_is_told_as_unknown_with_the_way_out(
    gateway: Gateway, key: str, database_url: str, clock: FakeClock
) -> None:
    first = await asyncpg.connect(database_url)
    try:
        await first.execute("BEGIN")
        await first.execute(CLAIM, clock.now())
        repeat = asyncio.create_task(send(gateway, key, a_request()))
        await until_waiting(first)
        await first.execute("SELECT pg_terminate_backend($1)", await waiting_process(first))
        answer = await repeat
        await first.execute("ROLLBACK")
    finally:
        await first.close()
    assert (answer.status, answer.json["errorCode"]) == (503, "E503")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["violations"][0]["property"] == "Idempotency-Key"
    assert (await send(gateway, key, a_request())).status == 200
    assert await messages_of(gateway) == 1


async def test_expired_keys_are_forgotten(gateway: Gateway, key: str, clock: FakeClock) -> None:
    await send(gateway, key, a_request())
    forgetter = Forgetter(gateway.store.pool, clock)
    assert await forgetter.run_once() == 0
    await clock.advance(timedelta(hours=24))
    assert await forgetter.run_once() == 1


async def waiting_process(conn: asyncpg.Connection) -> int | None:
    process: int | None = await conn.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))",
        conn.get_server_pid(),
    )
    return process


async def until_waiting(conn: asyncpg.Connection) -> None:
    """Return when another session waits for this one."""
    async with asyncio.timeout(20):
        while await waiting_process(conn) is None:
            pass  # each look is a round trip
