"""Settling: written once, by who holds the message, together with its report or not at all."""

import asyncio
import random
from datetime import datetime

import pytest

from linegate.dispatch.settle import Decided, settle
from linegate.domain.decide import Finish, State, Step, TryAgain, Unfinished, WaitForEvent
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.postgres.dispatching import Tried, deliver, finish, move
from linegate.postgres.pool import transaction
from support.plans import ways_to
from support.world import HOUR, SECOND, World

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, code=200, request_id="r-1")
REFUSED = Outcome(OutcomeKind.REFUSED, error=7002, status=9, code=422, detail="Failed")
# Statements that lock many rows of the queue at once.
MANY_ROWS = ("move", "finish", "deliver", "renew_leases", "give_back")


def decided(message: Unfinished, step: Step, outcome: Outcome, now: datetime) -> Decided:
    return Decided(message, step, Tried(message.id, message.attempt, now, now, outcome))


def handed_over(world: World, unknowns: int = 0) -> WaitForEvent:
    return WaitForEvent(State.SENT, world.now + 24 * HOUR, world.now, unknowns)


async def settle_one(world: World, message: Unfinished, step: Step, outcome: Outcome) -> int:
    return await settle(world.pool, [decided(message, step, outcome, world.now)], world.now)


async def test_a_hand_over_waits_for_its_event_and_leaves_its_attempt(world: World) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    assert await settle_one(world, message, handed_over(world), ACCEPTED) == 1
    row = await world.queued(id_)
    assert row is not None
    assert (row["step"], row["due_at"], row["sent_at"]) == (
        "sent",
        world.now + 24 * HOUR,
        world.now,
    )
    assert await world.tries(id_) == [(1, "accepted", 200, 0)]


async def test_an_end_writes_the_final_row_and_the_report_with_it(world: World) -> None:
    endpoint = await world.new_endpoint("https://example.com/reports")
    (id_,) = await world.accept(endpoint_id=endpoint)
    message = await world.claim_one()
    assert await settle_one(world, message, Finish(9, 7002), REFUSED) == 1
    assert await world.steps() == {}
    assert await world.end(id_) == (9, 7002)
    (push,) = await world.rows("SELECT * FROM push")
    assert (push["message_id"], push["endpoint_id"], push["tries"]) == (id_, endpoint, 0)


async def test_settling_twice_writes_once(world: World) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    assert await settle_one(world, message, Finish(9, 7002), REFUSED) == 1
    assert await settle_one(world, message, Finish(9, 7002), REFUSED) == 0
    assert await world.ends() == {id_: (9, 7002)}
    assert len(await world.tries(id_)) == 1


async def test_who_lost_the_message_to_a_later_attempt_writes_nothing(world: World) -> None:
    (id_,) = await world.accept()
    slow = await world.claim_one()
    async with world.pool.acquire() as conn:
        await move(conn, [(slow, TryAgain(world.now, 1))])
    quick = await world.claim_one()
    assert quick.attempt == 2
    assert await settle_one(world, slow, Finish(9, 7002), REFUSED) == 0
    assert await settle_one(world, slow, handed_over(world), ACCEPTED) == 0
    assert await world.step(id_) == "sending"
    assert await world.ends() == {}
    assert await settle_one(world, quick, handed_over(world), ACCEPTED) == 1


async def test_a_worker_that_was_only_slow_still_tells_what_became_of_an_unknown_one(
    world: World,
) -> None:
    (id_,) = await world.accept()
    slow = await world.claim_one()
    async with world.pool.acquire() as conn:  # as the sweeper does when the lease runs out
        lost = WaitForEvent(State.UNKNOWN, world.now + 120 * SECOND, world.now, 1)
        await move(conn, [(slow, lost)])
    assert await settle_one(world, slow, handed_over(world), ACCEPTED) == 1
    assert await world.step(id_) == "sent"


async def test_a_message_that_is_due_again_is_not_moved_by_its_last_attempt(world: World) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    await settle_one(world, message, TryAgain(world.now, 1), Outcome(OutcomeKind.UNSENT))
    assert await settle_one(world, message, handed_over(world), ACCEPTED) == 0
    assert await world.step(id_) == "due_alone"


async def test_going_back_keeps_the_turn_of_those_that_are_alone(world: World) -> None:
    await world.accept(1)
    await world.accept(20)
    claimed = [each.unfinished for each in await world.claim()]
    again = TryAgain(world.now + SECOND, 1)
    async with world.pool.acquire() as conn:
        moved = await move(conn, [(message, again) for message in claimed])
    assert (moved.written, len(moved.back), moved.parked) == (21, 21, False)
    steps = list((await world.steps()).values())
    assert (steps.count("due_alone"), steps.count("due_bulk")) == (1, 20)
    rows = await world.rows("SELECT DISTINCT due_at, failures, unknowns FROM queue")
    assert [tuple(row) for row in rows] == [(world.now + SECOND, 1, 0)]


async def test_the_first_hand_over_stays_the_one_that_is_told(world: World) -> None:
    (id_,) = await world.accept()
    first = world.now
    message = await world.claim_one()
    unknown = WaitForEvent(State.UNKNOWN, first + SECOND, first, 1)
    async with world.pool.acquire() as conn:
        await move(conn, [(message, unknown)])
        await world.clock.advance(SECOND)
        await move(conn, [(message, TryAgain(world.now, 0))])
    again = await world.claim_one()
    assert again.sent_at == first
    await settle_one(world, again, handed_over(world), ACCEPTED)
    row = await world.queued(id_)
    assert row is not None
    assert row["sent_at"] == first


async def test_a_report_of_a_message_never_handed_over_has_its_end_as_both_instants(
    world: World,
) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    await world.clock.advance(3 * SECOND)
    async with world.pool.acquire() as conn:
        await finish(conn, [(message, Finish(15, 4100))], now=world.now)
    (row,) = await world.rows("SELECT * FROM final")
    assert (row["message_id"], row["sent_at"], row["done_at"]) == (id_, world.now, world.now)


async def test_settles_and_events_of_the_same_messages_do_not_stop_each_other(
    world: World,
) -> None:
    """In any order and at the same time: no deadlock, and one end for each message."""
    ids = await world.accept(600)
    claimed = [each.unfinished for each in await world.claim(1000)]
    assert len(claimed) == 600
    shuffled = random.Random(7)

    async def settles(part: list[Unfinished]) -> None:
        steps: list[Step] = [
            Finish(9, 7002) if message.id % 32 == 0 else handed_over(world) for message in part
        ]
        group = [
            decided(message, step, ACCEPTED, world.now)
            for message, step in zip(part, steps, strict=True)
        ]
        await settle(world.pool, group, world.now)

    async def delivers(part: list[Unfinished]) -> None:
        async with transaction(world.pool) as conn:
            events = [world.an_event(message.id) for message in part]
            await deliver(conn, events, now=world.now)

    work = []
    for _ in range(6):
        some = shuffled.sample(claimed, 400)
        work += [settles(some[:200]), delivers(some[100:300]), settles(some[300:])]
    await asyncio.wait_for(asyncio.gather(*work), timeout=30)
    unfinished, ended = await world.steps(), await world.ends()
    assert sorted([*unfinished, *ended]) == sorted(ids)


@pytest.mark.parametrize("name", MANY_ROWS)
async def test_a_plan_finds_each_row_by_its_key_whatever_the_statistics_say(
    world: World, name: str
) -> None:
    """A queue that was analysed while it was empty looks tiny when it holds a million."""
    await world.rows("ANALYZE queue")
    assert set(await ways_to_the_queue(world, name)) == {"queue_pkey, by key"}
    for _ in range(3):
        await world.accept(900)
    assert len(await world.claim(2000, burst=2 * SECOND)) == 2000
    await world.rows("ANALYZE queue")
    assert set(await ways_to_the_queue(world, name)) == {"queue_pkey, by key"}


async def test_a_claim_looks_for_each_senders_oldest_and_never_at_all_that_is_due(
    world: World,
) -> None:
    """Its cost must not grow with what waits."""
    expected = {"queue_pkey, by key", "queue_due, by key"}
    await world.rows("ANALYZE queue")
    assert set(await ways_to_the_queue(world, "claim_due")) == expected
    for _ in range(10):
        await world.accept(900)
    assert set(await ways_to_the_queue(world, "claim_due")) == expected
    await world.rows("ANALYZE queue")
    assert set(await ways_to_the_queue(world, "claim_due")) == expected


async def ways_to_the_queue(world: World, name: str) -> list[str]:
    async with transaction(world.pool) as conn:
        return await ways_to(conn, name, "queue")
