"""A claim: at LINE's pace for all processes together, those that are alone first, under a lease."""

import asyncio

from linegate.postgres.dispatching import give_back, renew_leases, slow_sender
from support.world import SECOND, World


async def test_what_is_claimed_is_nobody_elses_until_its_lease_ends(world: World) -> None:
    (id_,) = await world.accept()
    claimed = await world.claim_one()
    assert (claimed.id, claimed.attempt) == (id_, 1)
    assert await world.claim() == []
    row = await world.queued(id_)
    assert row is not None
    assert (row["step"], row["due_at"]) == ("sending", world.now + 15 * SECOND)


async def test_a_claim_takes_no_more_than_its_limit_and_each_senders_share(world: World) -> None:
    other = await world.new_sender("another")
    await world.accept(30)
    await world.accept(30, sender_id=other)
    both = {world.sender: 5, other: 20}
    claimed = await world.claim(100, wanted=both)
    by_sender = [each.sender_id for each in claimed]
    assert (by_sender.count(world.sender), by_sender.count(other)) == (5, 20)
    assert len(await world.claim(7, wanted=both)) == 7


async def test_only_senders_that_are_asked_for_are_claimed(world: World) -> None:
    other = await world.new_sender("another")
    await world.accept(3, sender_id=other)
    assert await world.claim() == []


async def test_the_oldest_go_first(world: World) -> None:
    first = await world.accept(20)
    await world.clock.advance(SECOND)
    await world.accept(20)
    assert {each.unfinished.id for each in await world.claim(20)} == set(first)


async def test_a_message_that_is_alone_goes_before_an_older_bulk(world: World) -> None:
    await world.accept(500)
    await world.clock.advance(SECOND)
    (alone,) = await world.accept(1)
    claimed = await world.claim(10)
    assert claimed[0].unfinished.id == alone
    assert len(claimed) == 10


async def test_nothing_is_claimed_before_it_is_due_or_after_its_validity(world: World) -> None:
    waiting, expired, good = [(await world.accept())[0] for _ in range(3)]
    await world.rows("UPDATE queue SET due_at = $1 WHERE id = $2", world.now + SECOND, waiting)
    await world.rows("UPDATE queue SET deadline_at = $1 WHERE id = $2", world.now, expired)
    assert [each.unfinished.id for each in await world.claim()] == [good]


# The rate -----------------------------------------------------------------------------------------


async def test_a_senders_rate_holds_over_two_processes_together(world: World) -> None:
    slow = await world.new_sender("slow", per_second=100)
    await world.accept(1000, sender_id=slow)
    one, other = await world.connect(), await world.connect()
    claimed = 0
    for _ in range(100):  # ten seconds, asking every tenth of one
        for conn in (one, other):
            taken = await world.claim(256, wanted={slow: 256}, burst=SECOND / 10, conn=conn)
            claimed += len(taken)
        await world.clock.advance(SECOND / 10)
    await one.close()
    await other.close()
    # Ten seconds at a hundred a second, of which the last tenth has not begun, and the burst.
    assert 990 <= claimed <= 1000


async def test_two_claims_at_the_same_time_do_not_both_take_the_rate(world: World) -> None:
    slow = await world.new_sender("slow", per_second=10)
    await world.accept(100, sender_id=slow)
    for _ in range(5):
        claims = [world.claim(256, wanted={slow: 256}, burst=SECOND) for _ in range(4)]
        taken = sum(map(len, await asyncio.gather(*claims)))
        assert taken == 10
        await world.clock.advance(SECOND)


async def test_a_rest_gives_no_catch_up_burst(world: World) -> None:
    slow = await world.new_sender("slow", per_second=10)
    await world.accept(500, sender_id=slow)
    wanted = {slow: 256}
    assert len(await world.claim(wanted=wanted, burst=SECOND)) == 10
    await world.clock.advance(3600 * SECOND)
    assert len(await world.claim(wanted=wanted, burst=SECOND)) == 10


async def test_a_sender_that_line_slowed_sends_nothing_until_then(world: World) -> None:
    await world.accept(10)
    async with world.pool.acquire() as conn:
        await slow_sender(conn, world.sender, until=world.now + 2 * SECOND)
        await slow_sender(conn, world.sender, until=world.now + SECOND)  # never sooner again
    assert await world.claim() == []
    await world.clock.advance(2 * SECOND)
    assert len(await world.claim()) == 10


# Leases -------------------------------------------------------------------------------------------


async def test_a_claim_skips_what_another_transaction_holds(world: World) -> None:
    first, second = [(await world.accept())[0] for _ in range(2)]
    one = await world.connect()
    async with one.transaction():
        await one.execute("SELECT 1 FROM queue WHERE id = $1 FOR UPDATE", first)
        claimed = await asyncio.wait_for(world.claim(), timeout=5)
    await one.close()
    assert [each.unfinished.id for each in claimed] == [second]


async def test_a_lease_is_renewed_by_its_own_attempt_alone(world: World) -> None:
    (id_,) = await world.accept()
    await world.claim_one()
    later = world.now + 60 * SECOND
    async with world.pool.acquire() as conn:
        await renew_leases(conn, [(id_, 2)], lease_until=later)
        row = await world.queued(id_)
        assert row is not None
        assert row["due_at"] == world.now + 15 * SECOND
        await renew_leases(conn, [(id_, 1)], lease_until=later)
    row = await world.queued(id_)
    assert row is not None
    assert row["due_at"] == later


async def test_what_was_not_started_goes_back_uncounted(world: World) -> None:
    alone = await world.accept(1)
    bulk = await world.accept(20)
    claimed = await world.claim()
    async with world.pool.acquire() as conn:
        held = [(each.unfinished.id, each.unfinished.attempt) for each in claimed]
        await give_back(conn, held, now=world.now)
    steps = await world.steps()
    assert {steps[id_] for id_ in alone} == {"due_alone"}
    assert {steps[id_] for id_ in bulk} == {"due_bulk"}
    again = await world.claim()
    assert {each.unfinished.attempt for each in again} == {1}


async def test_what_somebody_else_took_over_is_not_given_back(world: World) -> None:
    (id_,) = await world.accept()
    await world.claim_one()
    await world.rows("UPDATE queue SET attempt = 2 WHERE id = $1", id_)
    async with world.pool.acquire() as conn:
        await give_back(conn, [(id_, 1)], now=world.now)
    assert await world.step(id_) == "sending"
