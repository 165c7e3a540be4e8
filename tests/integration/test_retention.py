"""What is old enough goes, what is needed stays, and a person can be erased."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from linegate.cli.erase import erase_destination
from linegate.domain.bulk import Schedule
from linegate.domain.ids import id_time
from linegate.postgres.dispatching import Arrived, deliver
from linegate.postgres.partitions import PARTITIONED, days_present, ensure_partitions
from linegate.postgres.pool import Pool
from linegate.postgres.store import Store
from linegate.report.retention import Retention
from linegate.shape.shaper import Shaper
from linegate.vault import Vault
from support.clock import FakeClock
from support.world import HOUR, World, a_number, a_world

DAY = timedelta(days=1)


@pytest.fixture
async def world(pool: Pool, clock: FakeClock, database_url: str) -> AsyncIterator[World]:
    made = await a_world(pool, clock, database_url)
    yield made
    await made.acceptor.aclose()


async def deliver_all(world: World) -> None:
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, attempt, sender_id FROM queue")
        events = [Arrived(row["id"], row["attempt"], row["sender_id"], world.now) for row in rows]
        if events:
            await deliver(conn, events, now=world.now)


async def pass_days(world: World, days: int) -> None:
    await world.clock.advance(days * DAY)
    async with world.pool.acquire() as conn:
        await ensure_partitions(conn, now=world.now)


async def retain(world: World, days: int = 30) -> None:
    retention = Retention(world.pool, world.clock, days=days)
    while await retention.run_once():
        pass


async def count(world: World, table: str) -> int:
    (row,) = await world.rows(f"SELECT count(*) AS n FROM {table}")
    return int(row["n"])


async def test_finished_day_is_dropped_whole_with_all_it_left(world: World) -> None:
    await world.accept(2, client_ids=["a", "b"])
    await deliver_all(world)
    first = world.now.date()
    await pass_days(world, 30)
    await retain(world)
    async with world.pool.acquire() as conn:
        assert first in await days_present(conn)
    await pass_days(world, 2)
    await retain(world)
    async with world.pool.acquire() as conn:
        assert first not in await days_present(conn)
    for table in ("bulk", "message_object", "message", "final", "client_id"):
        assert await count(world, table) == 0


async def test_day_with_a_message_that_has_not_ended_stays_and_loses_only_what_has(
    world: World,
) -> None:
    (ended,) = await world.accept()
    await deliver_all(world)
    bulk = world.a_bulk(world.an_object(1))
    bulk.schedule = Schedule(world.now + 100 * DAY)
    await world.acceptor.accept(bulk)
    await pass_days(world, 40)
    await retain(world)
    rows = await world.rows("SELECT id FROM message")
    assert len(rows) == 1
    assert rows[0]["id"] != ended
    assert await count(world, "bulk") == 1
    assert await count(world, "track") == 1


async def test_what_ended_lately_stays_however_old_it_is(world: World) -> None:
    await world.accept()
    await pass_days(world, 40)
    await deliver_all(world)
    await retain(world)
    assert await count(world, "final") == 1


async def test_account_that_keeps_less_forgets_sooner_and_alone(world: World) -> None:
    other = await world.new_account("other")
    sender = await world.new_sender("OTHER", other)
    await world.acceptor.accept(world.a_bulk(world.an_object(sender_id=sender), account=other))
    await world.accept(2)
    await deliver_all(world)
    async with world.pool.acquire() as conn:
        await conn.execute("UPDATE account SET retention_days = 3 WHERE id = $1", world.account)
    await pass_days(world, 4)
    await retain(world)
    rows = await world.rows("SELECT account_id FROM final")
    assert [row["account_id"] for row in rows] == [other]
    assert await count(world, "message_object") == 1
    assert await count(world, "bulk") == 1


async def test_report_that_was_not_pushed_yet_is_not_forgotten(world: World) -> None:
    endpoint = await world.new_endpoint("https://example.com")
    await world.accept(endpoint_id=endpoint)
    await deliver_all(world)
    await pass_days(world, 40)
    await retain(world)
    assert await count(world, "push") == 1
    assert await count(world, "final") == 1


async def erase(world: World, number: str) -> int:
    store = Store(world.dsn, world.pool, Vault("A" * 43 + "="))
    return await erase_destination(store, number, None)


async def mentions(world: World, number: str) -> list[str]:
    """The tables that hold a number anywhere."""
    tables = await world.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    found = []
    for (table,) in tables:
        rows = await world.rows(f"SELECT 1 FROM {table} AS t WHERE t::text LIKE '%{number}%'")
        if rows:
            found.append(table)
    return found


async def test_an_erased_person_is_in_no_table_any_more(world: World) -> None:
    number = a_number(1)
    await world.accept(3)
    await deliver_all(world)
    await world.accept(1, destinations=[number])
    await world.accept(1, destinations=[number])
    await world.claim()
    assert "queue" in await mentions(world, number)
    assert await erase(world, number) == 3
    (noted,) = await world.rows("SELECT actor, kind, changes FROM audit WHERE kind = 'message'")
    assert noted["actor"].startswith("linegate command of ")
    assert noted["changes"] == '{"erased": [null, 3]}'
    assert await mentions(world, number) == []
    assert await count(world, "message") == 2
    assert await count(world, "message_object") == 1
    assert await erase(world, number) == 0


async def test_bulk_that_waits_goes_on_without_the_erased(world: World) -> None:
    bulk = world.a_bulk(world.an_object(5))
    bulk.schedule = Schedule(world.now + HOUR)
    await world.acceptor.accept(bulk)
    assert await erase(world, a_number(2)) == 1
    await world.clock.advance(2 * HOUR)
    await Shaper(world.pool, world.clock, world.metrics).run_once()
    assert len(await world.steps()) == 4
    (track,) = await world.rows("SELECT remaining FROM track")
    assert track["remaining"] == 0


async def test_days_are_those_of_the_ids(world: World) -> None:
    (id_,) = await world.accept()
    async with world.pool.acquire() as conn:
        assert id_time(id_).date() in await days_present(conn)


async def test_days_are_made_beside_those_who_read_and_write(world: World) -> None:
    async with world.pool.acquire() as other, other.transaction():
        await other.execute(f"LOCK TABLE {', '.join(PARTITIONED)} IN ROW EXCLUSIVE MODE")
        async with world.pool.acquire() as conn, conn.transaction():
            await conn.execute("SET LOCAL lock_timeout = '5s'")  # instead of waiting for ever
            made = await ensure_partitions(conn, now=world.now + 30 * DAY, behind=0, ahead=0)
    assert made == len(PARTITIONED)


async def test_made_day_has_the_defaults_checks_and_indexes_of_its_table(world: World) -> None:
    shape = """SELECT attname, atttypid, attnotnull, attstorage, attcompression,
                      pg_get_expr(adbin, adrelid) AS usual
               FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
               WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
               ORDER BY attname"""
    rest = """SELECT (SELECT count(*) FROM pg_index WHERE indrelid = $1::text::regclass) AS indexes,
                     (SELECT count(*) FROM pg_constraint WHERE conrelid = $1::text::regclass
                      AND contype <> 'n') AS constraints"""
    day = f"{world.now:%Y%m%d}"
    async with world.pool.acquire() as conn:
        for table in PARTITIONED:
            for sql in (shape, rest):
                whole, part = [await conn.fetch(sql, name) for name in (table, f"{table}_{day}")]
                assert [dict(row) for row in part] == [dict(row) for row in whole], table
