"""How many messages may wait: of an account and of each key, exact over all processes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from linegate.accept.accept_bulk import Acceptor
from linegate.accept.accepted import Accepted, BulkIdTaken, Full
from linegate.accept.once import Once, Repeated
from linegate.accept.remover import ImportRemover
from linegate.cli.keys import create_key
from linegate.domain.bulk import Rejection
from linegate.domain.ids import IdMaker
from linegate.domain.keys import digest_of
from linegate.domain.policy import Room
from linegate.postgres.dispatching import Arrived, deliver
from linegate.postgres.idempotency import Asked
from linegate.postgres.identities import list_keys, rotate_key
from linegate.postgres.pool import Pool
from linegate.report.rollup import Rollup
from support.clock import FakeClock
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api
from support.world import World

KEY = 7


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


async def waiting(pool: Pool, key_id: int = KEY) -> int:
    return int(await pool.fetchval("SELECT waiting FROM backlog WHERE key_id = $1", key_id))


async def all_delivered(pool: Pool, clock: FakeClock) -> None:
    async with pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, attempt, sender_id FROM queue")
        events = [Arrived(row["id"], row["attempt"], row["sender_id"], clock.now()) for row in rows]
        await deliver(conn, events, now=clock.now())


async def added_up(pool: Pool, clock: FakeClock) -> None:
    rollup = Rollup(pool, clock)
    while await rollup.run_once():
        pass


async def test_many_processes_at_once_take_exactly_what_a_key_may_have_waiting(
    world: World,
) -> None:
    others = [Acceptor(world.pool, IdMaker(at), linger=timedelta(0)) for at in (200, 201)]
    room = Room(KEY, of_key=100)
    answers = await asyncio.gather(
        *(
            acceptor.accept(world.a_bulk(world.an_object(3)), room)
            for _ in range(40)
            for acceptor in (world.acceptor, *others)
        )
    )
    for each in others:
        await each.aclose()
    assert sum(isinstance(each, Accepted) for each in answers) == 33
    assert Full("key", 3, 99, 100) in answers
    assert await world.pool.fetchval("SELECT count(*) FROM message") == 99
    assert await waiting(world.pool) == await waiting(world.pool, 0) == 99


async def test_what_ends_makes_room_and_is_taken_off_once(world: World) -> None:
    room = Room(KEY, of_account=5)
    part = world.an_object(3, rejections={0: Rejection(52, 351)})
    assert isinstance(await world.acceptor.accept(world.a_bulk(part), room), Accepted)
    await added_up(world.pool, world.clock)
    assert await waiting(world.pool) == await waiting(world.pool, 0) == 2
    full = await world.acceptor.accept(world.a_bulk(world.an_object(4)), room)
    assert full == Full("account", 4, 2, 5)
    await all_delivered(world.pool, world.clock)
    await added_up(world.pool, world.clock)
    await added_up(world.pool, world.clock)
    assert await waiting(world.pool) == await waiting(world.pool, 0) == 0


async def test_limit_set_later_finds_what_waits_already(world: World) -> None:
    await world.acceptor.accept(world.a_bulk(world.an_object(4)), Room(KEY))
    await added_up(world.pool, world.clock)
    bulk = world.a_bulk(world.an_object(2))
    assert await world.acceptor.accept(bulk, Room(KEY, of_key=5)) == Full("key", 2, 4, 5)
    assert isinstance(await world.acceptor.accept(bulk, Room(KEY + 1, of_key=5)), Accepted)


async def test_only_what_is_written_takes_room(world: World) -> None:
    room = Room(KEY, of_key=3)
    first = world.a_bulk(world.an_object(1, client_ids=["a"]), client_id="b")
    assert isinstance(await world.acceptor.accept(first, room), Accepted)
    again = await world.acceptor.accept(first, room)
    assert isinstance(again, BulkIdTaken)
    known = await world.acceptor.accept(world.a_bulk(world.an_object(1, client_ids=["a"])), room)
    assert isinstance(known, Accepted)
    assert known.duplicates == {0}
    assert await waiting(world.pool) == 1


async def test_repeat_that_comes_at_the_limit_gets_the_first_answer(world: World) -> None:
    room, bulk = Room(KEY, of_key=3), world.a_bulk(world.an_object(3))
    once = Once(Asked(bulk.account_id, "again"), b"digest", lambda _: b"the first answer")
    answers = await asyncio.gather(
        *(world.acceptor.accept_once(world.a_bulk(world.an_object(3)), once, room) for _ in "ab")
    )
    assert [each for each in answers if not isinstance(each, Accepted)] == [
        Repeated(b"the first answer")
    ]
    other = Once(Asked(bulk.account_id, "another"), b"digest", lambda _: b"")
    assert await world.acceptor.accept_once(bulk, other, room) == Full("key", 3, 3, 3)
    assert await waiting(world.pool) == 3


async def send(gateway: Gateway, key: str, count: int, **headers: str) -> Answer:
    request = a_request(*(f"8190100000{at:02}" for at in range(count)))
    return await gateway.call(
        "POST", "/line/1/messages", authorization=key, json=request, headers=headers
    )


async def test_key_that_is_full_is_told_so_and_others_go_on(
    gateway: Gateway, clock: FakeClock
) -> None:
    key, other = [
        "App " + await create_key(gateway.store, ACCOUNT, name=name) for name in ("one", "two")
    ]
    await gateway.store.pool.execute("UPDATE api_key SET messages_waiting = 3 WHERE name = 'one'")
    assert (await send(gateway, key, 2)).status == 200
    refused = await send(gateway, key, 2, **{"Idempotency-Key": "again"})
    assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    told = refused.json["violations"][0]["violation"]
    assert told.startswith("the key may have 3 messages that have not ended and has 2")
    assert (await send(gateway, other, 2)).status == 200
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM bulk") == 2
    await all_delivered(gateway.store.pool, clock)
    await added_up(gateway.store.pool, clock)
    taken = await send(gateway, key, 2, **{"Idempotency-Key": "again"})
    assert (taken.status, taken.headers.get("Idempotency-Replayed")) == (200, None)
    replayed = await send(gateway, key, 2, **{"Idempotency-Key": "again"})
    assert replayed.headers["Idempotency-Replayed"] == "true"


async def test_a_rotated_key_goes_on_with_what_waits_and_with_the_day(
    gateway: Gateway, clock: FakeClock
) -> None:
    pool = gateway.store.pool
    key = "App " + await create_key(gateway.store, ACCOUNT, name="one")
    await pool.execute("UPDATE api_key SET messages_waiting = 5, messages_per_day = 6")
    assert (await send(gateway, key, 2)).status == 200
    assert await rotated(pool, clock, await rotated(pool, clock, 1)) == 3
    assert (await send(gateway, "App new2", 4)).status == 429
    assert (await send(gateway, "App new2", 3)).status == 200
    assert (await send(gateway, key, 1)).status == 429  # during its grace
    async with pool.acquire() as conn:
        assert [each.waiting for each in await list_keys(conn, 1)] == [5, 5, 5]
    await all_delivered(pool, clock)
    await added_up(pool, clock)
    assert await waiting(pool, 1) == 0
    used_up = await send(gateway, "App new2", 2)
    assert used_up.status == 429
    assert "daily limit of key 1, 6 messages" in used_up.json["violations"][0]["violation"]


async def rotated(pool: Pool, clock: FakeClock, key_id: int) -> int:
    """Rotate a key; the new one is `new` and the old one's number."""
    made, soon = f"new{key_id}", clock.now() + timedelta(hours=1)
    async with pool.acquire() as conn:
        id_ = await rotate_key(
            conn, 1, key_id, digest=digest_of(made), hint=made, ends_at=soon, now=clock.now()
        )
    await clock.advance(timedelta(seconds=3))  # until limits are read again
    assert id_ is not None
    return id_


@pytest.mark.parametrize("limit", [None, 10])
async def test_failed_import_gives_back_its_room(
    gateway: Gateway, clock: FakeClock, limit: int | None
) -> None:
    pool = gateway.store.pool
    key = "App " + await create_key(gateway.store, ACCOUNT, name="one")
    await pool.execute("UPDATE api_key SET messages_waiting = $1", limit)
    refused = await _import(gateway, key, [{"to": "819010000001"}] * 5 + [{"colour": "red"}])
    assert refused.status == 400
    taken = await _import(gateway, key, [{"to": "819010000001"}] * 4)
    assert taken.status == 200
    remover = ImportRemover(pool, clock)
    await pool.execute("UPDATE bulk_run SET status = 'failed'")
    await remover.run_once()
    await added_up(pool, clock)
    while await pool.fetchval("SELECT count(*) FROM bulk_run WHERE finished_at IS NULL"):
        await remover.run_once()
    assert await pool.fetchval("SELECT max(waiting) FROM backlog") in (0, None)
    told = await gateway.call("GET", "/line/1/statistics", authorization=key)
    assert sum(each["accepted"] for each in told.json["results"]) == 0


async def test_import_that_finds_no_room_is_refused_as_a_whole(
    gateway: Gateway, clock: FakeClock
) -> None:
    key = "App " + await create_key(gateway.store, ACCOUNT, name="one")
    await gateway.store.pool.execute("UPDATE api_key SET messages_waiting = 2500")
    refused = await _import(gateway, key, [{"to": "819010000001"}] * 3000)
    assert refused.status == 429
    assert "the key may have 2500" in refused.json["violations"][0]["violation"]
    status = await gateway.store.pool.fetchval("SELECT status::text FROM bulk_run")
    assert status == "failed"


async def _import(gateway: Gateway, key: str, destinations: list[dict[str, Any]]) -> Answer:
    message = a_request()["messages"][0]
    del message["destinations"]
    lines = "\n".join(map(json.dumps, [{"message": message}, *destinations]))
    return await gateway.call(
        "POST",
        "/line/1/bulks/import",
        authorization=key,
        headers={"Content-Type": "application/x-ndjson"},
        data=lines.encode(),
    )
