"""The shaper on real PostgreSQL: when what waits becomes due, and what stops it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from linegate.dispatch.settle import write_steps
from linegate.dispatch.suspender import Suspender
from linegate.domain.bulk import Window
from linegate.domain.decide import TryAgain, Unfinished
from linegate.domain.pace import Pace, pace_of
from linegate.postgres.pool import Pool, transaction
from linegate.postgres.suspension import resume_account, suspend_account
from linegate.shape.shaper import STALE_AFTER, Shaper
from support.clock import FakeClock
from support.shaping import World, a_message_object, make_world

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
PACE = pace_of(600, "MINUTE")  # one every tenth of a second
CANCELLED = (31, 4100)
EXPIRED = (15, 4100)


@pytest.fixture
async def world(pool: Pool, clock: FakeClock) -> AsyncIterator[World]:
    made = await make_world(pool, clock)
    yield made
    await made.acceptor.aclose()


async def steer(world: World, status: str) -> None:
    """What the control interface does with a word."""
    now = world.clock.now()
    if status == "processing":
        await world.pool.execute("UPDATE bulk_run SET status = 'processing', next_at = $1", now)
    else:
        await world.pool.execute(
            "UPDATE bulk_run SET status = $2::run_status, paused_at = $1, next_at = $1", now, status
        )


async def come_back(world: World, id_: int, *, at: datetime) -> None:
    """The message was tried, surely did not go out, and is to be tried again."""
    deadline = world.clock.now() + HOUR
    await world.pool.execute("UPDATE queue SET step = 'sending', attempt = 1 WHERE id = $1", id_)
    async with transaction(world.pool) as conn:
        message = Unfinished(id_, 1, 0, 0, deadline, None)
        assert await write_steps(conn, [(message, TryAgain(at, 1))], world.clock.now()) == 1


async def test_a_bulk_waits_for_its_time_and_is_due_to_the_instant(world: World) -> None:
    send_at = world.clock.now() + HOUR
    await world.accept(a_message_object(20), send_at=send_at)
    shaper = world.shaper()
    await world.shape(shaper, to=send_at - SECOND)
    assert await world.due_ats() == []
    await world.shape(shaper, to=send_at)
    assert await world.due_ats() == [send_at] * 20


async def test_a_paced_bulk_is_spaced_evenly_to_its_last_message(world: World) -> None:
    start = world.clock.now()
    await world.accept(a_message_object(50), pace=PACE)
    seen = await world.send(world.shaper(), to=start + 6 * SECOND)
    assert len(seen) == 50
    gaps = {(later - earlier) // timedelta(milliseconds=1) for earlier, later in pairwise(seen)}
    assert gaps == {100}


async def test_after_ten_seconds_of_silence_the_pace_goes_on_without_a_burst(
    world: World,
) -> None:
    await world.accept(a_message_object(600), pace=PACE)
    shaper = world.shaper()
    before = await world.send(shaper, to=world.clock.now() + SECOND)
    stale = await world.ids(["due_paced"])
    assert stale
    await world.clock.advance(10 * SECOND)  # nobody looked, nothing was sent
    back = world.clock.now()
    await shaper.run_once()
    assert (await world.due_ats())[0] >= back
    after = await world.send(shaper, to=back + 2 * SECOND)
    assert 10 <= len(before) <= 11
    assert 19 <= len(after) <= 21
    assert min(later - earlier for earlier, later in pairwise(after)) >= SECOND / 10
    # What had a slot before the silence got the first ones after it: none is left behind.
    assert not set(stale) & set(await world.ids(["due_paced", "turn"]))


class SlowLooks(FakeClock):
    """A look of the shaper takes so long: between the first time that it asks and the second."""

    def __init__(self, start: datetime, took: timedelta) -> None:
        super().__init__(start)
        self._took = took
        self._asked = 0

    def now(self) -> datetime:
        self._asked += 1
        if self._asked == 2:
            self._now += self._took
        return self._now

    async def look(self, shaper: Shaper) -> datetime:
        """Look when the shaper wants to; gives when it was through."""
        self._now = max(self._now, shaper.next_at() or self._now)
        self._asked = 0
        assert await shaper.run_once() <= 1
        return self._now


async def gone_at(world: World, now: datetime) -> list[datetime]:
    """Send what was written in time, each at its slot; gives the slots."""
    rows = await world.pool.fetch(
        "UPDATE queue SET step = 'sent', due_at = due_at + interval '1 day', sent_at = due_at "
        "WHERE step = 'due_paced' AND due_at > $1 RETURNING sent_at",
        now - STALE_AFTER,
    )
    return sorted(row["sent_at"] for row in rows)


async def test_a_paced_bulk_goes_on_where_every_look_takes_longer_than_a_slot_is_good_for(
    world: World,
) -> None:
    began = world.clock.now()
    await world.accept(a_message_object(600), pace=PACE)
    clock = SlowLooks(began, 0.8 * SECOND)
    shaper = world.shaper(clock)
    gone: list[datetime] = []
    now = began
    while now < began + 16 * SECOND:
        now = await clock.look(shaper)
        gone += await gone_at(world, now)
    assert min(later - earlier for earlier, later in pairwise(gone)) >= SECOND / 10
    first, last = gone[0], gone[-1]
    assert first <= began + 4 * SECOND  # it needs some looks to know that it is slow
    assert len(gone) >= 0.99 * 10 * ((last - first) / SECOND)
    assert last >= began + 16 * SECOND


async def test_what_comes_back_takes_a_turn_and_the_bulk_waits_for_it(world: World) -> None:
    await world.accept(a_message_object(30), pace=PACE)
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND)
    (first, *_) = await world.ids(["due_paced"])
    await world.leave(before=world.clock.now())
    await come_back_from_sent(world, first)
    before = await world.due_ats("due_paced")
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    slot = await world.pool.fetchval("SELECT due_at FROM queue WHERE id = $1", first)
    others = await world.due_ats("due_paced")
    assert slot not in before
    assert min(later - earlier for earlier, later in pairwise(others)) >= SECOND / 10


async def come_back_from_sent(world: World, id_: int) -> None:
    await world.pool.execute("UPDATE queue SET step = 'unknown', attempt = 1 WHERE id = $1", id_)
    async with transaction(world.pool) as conn:
        message = Unfinished(id_, 1, 1, 0, world.clock.now() + HOUR, None)
        await write_steps(conn, [(message, TryAgain(world.clock.now(), 0))], world.clock.now())


async def test_what_comes_back_after_everything_was_released_gets_a_turn(world: World) -> None:
    await world.accept(a_message_object(3), pace=PACE)
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + 2 * SECOND)
    (first, *_) = await world.ids(["due_paced", "turn"])
    await world.leave(before=world.clock.now() + SECOND)
    await world.shape(shaper, to=world.clock.now() + 30 * SECOND)
    assert shaper.next_at() is None  # nothing waits, nothing is due
    await come_back_from_sent(world, first)
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    assert await world.ids(["due_paced"]) == [first]


async def test_a_later_try_is_not_forgotten_while_the_rest_waits_for_tomorrow(
    world: World,
) -> None:
    window = Window((1, 2, 3, 4, 5, 6, 7), 9 * 60, 10 * 60)
    await world.accept(a_message_object(1), a_message_object(1, window=window), pace=PACE)
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND)
    first, _ = await world.ids(["due_paced", "turn"])
    await world.leave(before=world.clock.now() + SECOND)
    await world.clock.advance(2 * HOUR)  # the second's window has closed; it was sent before
    await come_back(world, first, at=world.clock.now() + 5 * SECOND)
    await world.accept(a_message_object(1), pace=PACE)  # another bulk makes it look in between
    await world.shape(shaper, to=world.clock.now() + 6 * SECOND)
    assert first in await world.ids(["due_paced"])


async def test_a_pause_parks_what_is_due_and_a_resume_gives_its_validity_back(
    world: World,
) -> None:
    await world.accept(a_message_object(5000, validity=HOUR))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    released = sum((await world.steps()).values())
    assert 0 < released <= 2000
    deadline = await world.pool.fetchval("SELECT min(deadline_at) FROM queue")
    await steer(world, "paused")
    await shaper.run_once()
    assert await world.steps() == {"held": released}
    await world.shape(shaper, to=world.clock.now() + 3 * HOUR)
    assert await world.steps() == {"held": released}
    assert await world.ended() == {}
    paused_for = world.clock.now() - (await world.pool.fetchval("SELECT paused_at FROM bulk_run"))
    await steer(world, "processing")
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    assert set(await world.steps()) == {"due_bulk"}
    assert await world.pool.fetchval("SELECT min(deadline_at) FROM queue") == deadline + paused_for
    assert await world.ended() == {}


async def test_what_was_in_flight_when_the_pause_came_is_parked_when_it_comes_back(
    world: World,
) -> None:
    await world.accept(a_message_object(2000))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    first, second, *_ = await world.ids(["due_bulk"])
    await world.pool.execute("UPDATE queue SET step = 'sending' WHERE id = $1", second)
    await steer(world, "paused")
    await shaper.run_once()
    await come_back(world, first, at=world.clock.now() + SECOND)
    assert await world.steps() == {"held": 1999, "sending": 1}
    await steer(world, "processing")
    await shaper.run_once()
    assert await world.steps() == {"due_bulk": 1999, "sending": 1}


async def test_a_parked_message_goes_on_though_the_resume_was_seen_first(world: World) -> None:
    """The settle began while the bulk was paused and ended after the shaper had resumed it."""
    await world.accept(a_message_object(2000))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    (first, *_) = await world.ids(["due_bulk"])
    await world.pool.execute("UPDATE queue SET step = 'sending', attempt = 1 WHERE id = $1", first)
    await steer(world, "paused")
    message = Unfinished(first, 1, 0, 0, world.clock.now() + HOUR, None)
    step = TryAgain(world.clock.now(), 1)
    async with transaction(world.pool) as conn:
        await write_steps(conn, [(message, step)], world.clock.now())
    await steer(world, "processing")
    await shaper.run_once()
    assert "held" not in await world.steps()


async def test_a_cancelled_bulk_ends_with_its_reports_but_what_is_being_sent_goes_on(
    world: World,
) -> None:
    await world.accept(a_message_object(5000))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    _, second, *_ = await world.ids(["due_bulk"])
    await world.pool.execute("UPDATE queue SET step = 'sending' WHERE id = $1", second)
    await steer(world, "cancelled")
    await world.shape(shaper, to=world.clock.now() + SECOND)
    assert await world.ended() == {CANCELLED: 4999}
    assert await world.steps() == {"sending": 1}
    await come_back(world, second, at=world.clock.now() + 60 * SECOND)
    await world.shape(shaper, to=world.clock.now() + SECOND)
    assert await world.ended() == {CANCELLED: 5000}


async def test_a_window_that_closes_in_mid_bulk_keeps_the_rest_for_the_next(world: World) -> None:
    """It is 09:00; the window closes at 10:00, one message goes every six minutes."""
    window = Window((4, 5), 9 * 60, 10 * 60)  # Thursday and Friday
    start = world.clock.now()
    await world.accept(a_message_object(15, window=window), pace=Pace(10, HOUR))
    shaper = world.shaper()
    today = await world.send(shaper, to=start + timedelta(days=1) - SECOND)
    tomorrow = await world.send(shaper, to=start + timedelta(days=2))
    assert (len(today), len(tomorrow)) == (10, 5)
    assert today[-1] < start + HOUR
    assert tomorrow[0] == start + timedelta(days=1)


async def test_each_recipient_zone_has_its_own_window_and_none_waits_for_another(
    world: World,
) -> None:
    """It is 09:00 UTC: 18:00 in Tokyo, 10:00 in Berlin; open from 9 to 18."""
    window = Window((1, 2, 3, 4, 5, 6, 7), 9 * 60, 18 * 60)
    zones = ["Asia/Tokyo", "Europe/Berlin"] * 10
    await world.accept(a_message_object(20, window=window, zones=zones))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    assert len(await world.due_ats()) == 10
    midnight_utc = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    await world.leave(before=world.clock.now())
    await world.shape(shaper, to=midnight_utc + timedelta(days=1))
    assert await world.due_ats("due_bulk") == [midnight_utc + timedelta(days=1)] * 10


async def test_what_waits_past_its_validity_expires_without_having_been_due(world: World) -> None:
    window = Window((4,), 9 * 60, 10 * 60)  # Thursdays: the next is in a week
    await world.accept(a_message_object(3000, validity=10 * SECOND, window=window))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    released = len(await world.due_ats())
    await world.shape(shaper, to=world.clock.now() + 11 * SECOND)
    assert await world.ended() == {EXPIRED: 3000 - released}
    assert await world.remaining() == 0


async def test_what_waits_for_a_later_try_takes_no_room_of_another_bulk(world: World) -> None:
    await world.accept(a_message_object(2000))
    shaper = world.shaper()
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    await world.pool.execute("UPDATE queue SET due_at = due_at + interval '1 day'")
    await world.accept(a_message_object(1500))
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    assert await world.remaining() == 0


async def test_two_shapers_release_every_message_once_and_at_one_pace(
    world: World, pool: Pool
) -> None:
    await world.accept(a_message_object(200), pace=PACE)
    shapers = [world.shaper() for _ in range(3)]
    start, due_ats = world.clock.now(), list[datetime]()
    while world.clock.now() < start + 3 * SECOND:
        await asyncio.gather(*(each.run_once() for each in shapers))
        due_ats += [at for at in await world.due_ats() if at <= world.clock.now()]
        await world.leave(before=world.clock.now())
        await world.clock.advance(SECOND / 20)
    assert min(later - earlier for earlier, later in pairwise(due_ats)) >= SECOND / 10
    assert 29 <= len(due_ats) <= 31
    assert await world.remaining() + sum((await world.steps()).values()) == 200


async def test_what_a_suspension_parked_keeps_its_validity_whoever_looks_first(
    world: World,
) -> None:
    await world.accept(a_message_object(2000, validity=HOUR))
    shaper, suspender = world.shaper(), Suspender(world.pool, world.clock)
    await world.shape(shaper, to=world.clock.now() + SECOND / 10)
    async with world.pool.acquire() as conn:
        await suspend_account(conn, 1, now=world.clock.now())
    while await suspender.run_once():
        pass
    assert await world.steps() == {"held": 2000}
    await world.clock.advance(50 * HOUR)
    async with world.pool.acquire() as conn:
        await resume_account(conn, 1, now=world.clock.now())
    await shaper.run_once()
    for _ in range(3):
        await suspender.run_once()
    await shaper.run_once()
    assert await world.steps() == {"due_bulk": 2000}
    soonest = await world.pool.fetchval("SELECT min(deadline_at) FROM queue")
    assert soonest > world.clock.now()
