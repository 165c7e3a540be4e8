"""An open snapshot keeps what is done with; looks that begin at a mark do not walk over it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest

from linegate.dispatch.claims import Claims
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience
from linegate.low_water import BEGINNING
from linegate.postgres.queries import bundled
from support.clock import FakeClock
from support.world import HOUR, SECOND, World

DONE = 20_000  # messages that ended while the snapshot was open

# What is left of a message that was due, sending and sent, and of its report.
_QUEUE = """
INSERT INTO queue (id, sender_id, object_id, account_id, step, due_at, deadline_at, home,
                   destination)
SELECT n, $1, 1, $2, $5::step, $3::timestamptz - n * interval '1 millisecond',
       $3::timestamptz - n * interval '1 millisecond' + $4::interval, 'due_bulk', '819010000000'
FROM generate_series(1, $6::integer) AS n
"""
_PUSH = """
INSERT INTO push (message_id, endpoint_id, due_at)
SELECT n, $1, $2::timestamptz - n * interval '1 millisecond'
FROM generate_series(1, $3::integer) AS n
"""


@pytest.fixture
async def dump(world: World) -> AsyncIterator[None]:
    """A transaction that keeps its snapshot, as a dump does."""
    holder = await asyncpg.connect(world.dsn)  # without the time limits of our sessions
    task = holder.transaction(isolation="repeatable_read")
    await task.start()
    await holder.fetchval("SELECT count(*) FROM account")
    yield
    await task.rollback()
    await holder.close()


async def leave_done(world: World, step: str, *, valid: timedelta = HOUR) -> None:
    """Rows of the queue that came, were done with and went."""
    ended = world.now - SECOND
    await world.rows(_QUEUE, world.sender, world.account, ended, valid, step, DONE)
    await world.rows("DELETE FROM queue")


async def leave_pushed(world: World) -> int:
    """Reports that waited for an endpoint and were taken; the endpoint."""
    endpoint = await world.new_endpoint("http://example.com/")
    await world.rows(_PUSH, endpoint, world.now - SECOND, DONE)
    await world.rows("DELETE FROM push")
    return endpoint


_TOUCHED = """
SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"""


async def pages(world: World, name: str, **values: object) -> int:
    """How many pages of tables and indexes a statement touches, run as the program runs it."""
    query = next(each for each in bundled() if each.name == name)
    async with world.pool.acquire() as conn:
        task = conn.transaction()
        await task.start()
        before: int = await conn.fetchval(_TOUCHED)
        await conn.fetch(query.sql, *(values[name] for name in query.params))
        after: int = await conn.fetchval(_TOUCHED)
        await task.rollback()
    return after - before


def claim(world: World, since: datetime) -> dict[str, object]:
    return {
        "sender_ids": [world.sender],
        "wanted": [100],
        "alone_since": [since],
        "bulk_since": [since],
        "limit": 100,
        "burst": SECOND,
        "lease_until": world.now + 15 * SECOND,
        "horizon": world.now,
        "stale": world.now - SECOND,
        "now": world.now,
    }


@pytest.mark.usefixtures("dump")
@pytest.mark.parametrize("step", ["due_bulk", "due_alone"])
async def test_a_claim_does_not_walk_over_what_was_sent(world: World, step: str) -> None:
    await leave_done(world, step)
    await world.accept(3)
    everything = await pages(world, "claim_due", **claim(world, BEGINNING))
    marked = await pages(world, "claim_due", **claim(world, world.now - SECOND))
    assert everything > 300
    assert marked < 60


@pytest.mark.usefixtures("dump")
async def test_a_count_of_what_is_due_does_not_walk_over_what_was_sent(world: World) -> None:
    await leave_done(world, "due_bulk")
    asked = {"sender_id": world.sender, "until": world.now, "limit": 5000}
    assert await pages(world, "count_due", since=BEGINNING, **asked) > 150
    assert await pages(world, "count_due", since=world.now - SECOND, **asked) < 10


@pytest.mark.usefixtures("dump")
@pytest.mark.parametrize(
    ("name", "step", "valid"),
    [
        ("take_impatient", "sending", HOUR),
        ("take_overdue", "due_bulk", timedelta(0)),
    ],
)
async def test_a_sweep_does_not_walk_over_what_ended(
    world: World, name: str, step: str, valid: timedelta
) -> None:
    await leave_done(world, step, valid=valid)
    asked = {"limit": 1000, "now": world.now}
    assert await pages(world, name, since=BEGINNING, **asked) > 150
    assert await pages(world, name, since=world.now - SECOND, **asked) < 10


@pytest.mark.usefixtures("dump")
async def test_a_look_for_endpoints_with_reports_does_not_walk_over_what_was_pushed(
    world: World,
) -> None:
    endpoint = await leave_pushed(world)
    other = await world.new_endpoint("http://other.example/")
    await world.rows(_PUSH, other, world.now, 1)
    lease = {"steady": 5, "doubtful": 5, "leased_until": world.now + SECOND, "now": world.now}
    unmarked: dict[str, object] = {"marked_ids": [], "marks": []}
    marked = {"marked_ids": [endpoint], "marks": [world.now - SECOND]}
    for name, asked in (("lease_endpoints", lease), ("next_push_at", {"now": world.now})):
        assert await pages(world, name, **asked, **unmarked) > 150
        assert await pages(world, name, **asked, **marked) < 100
    more = {"id": endpoint, "now": world.now}
    assert await pages(world, "tell_if_due", since=BEGINNING, **more) > 150
    assert await pages(world, "tell_if_due", since=world.now - SECOND, **more) < 10


async def test_endpoints_with_and_without_a_mark_are_all_found(world: World) -> None:
    endpoints = [await world.new_endpoint(f"http://{at}.example/") for at in range(6)]
    for at in (0, 2, 3, 5):
        await world.rows(
            "INSERT INTO push (message_id, endpoint_id, due_at) VALUES ($1, $2, $3)",
            *(at + 1, endpoints[at], world.now),
        )
    query = bundled().lease_endpoints
    for marked in ([], [1], [2], [0, 2, 5], [1, 3, 4], list(range(6))):
        async with world.pool.acquire() as conn:
            task = conn.transaction()
            await task.start()
            rows = await query.many(
                conn,
                steady=9,
                doubtful=9,
                leased_until=world.now + SECOND,
                now=world.now,
                marked_ids=[endpoints[at] for at in marked],
                marks=[world.now - SECOND for _ in marked],
            )
            await task.rollback()
        assert sorted(row["id"] for row in rows) == [endpoints[at] for at in (0, 2, 3, 5)]


class SlowClock(FakeClock):
    """On which every look at the database takes long."""

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=20)
        return self._now


async def test_what_is_due_later_hides_nothing_that_comes_meanwhile(world: World) -> None:
    clock = SlowClock(world.now)
    claims = Claims(
        world.pool,
        clock,
        ahead=timedelta(0),
        burst=SECOND,
        stale=SECOND,
        lease_for=15 * SECOND,
    )
    for step in ("due_bulk", "due_alone"):
        later = world.now + HOUR
        await world.rows(_QUEUE, world.sender, world.account, later, HOUR, step, 1)
        await world.rows("UPDATE queue SET id = 10 * id + 5")  # leaves room for the next one
    wanted = {world.sender: 10}
    assert (await claims.take(wanted, 10, clock.now())).messages == []  # and now there are marks
    (id_,) = await world.accept()
    taken = await claims.take(wanted, 10, clock.now())
    assert [each.unfinished.id for each in taken.messages] == [id_]


async def test_what_is_written_below_the_mark_is_found_all_the_same(world: World) -> None:
    clock = SlowClock(world.now)
    sweeper = Sweeper(world.pool, clock, Patience(), world.metrics)
    assert await sweeper.run_once() == 0  # and now there is a mark
    (id_,) = await world.accept()
    (claimed,) = await world.claim(lease=timedelta(seconds=-3))  # its lease ended before the mark
    assert claimed.unfinished.id == id_
    for _ in range(60):
        if await sweeper.run_once():
            break
    assert await world.step(id_) == "unknown"
