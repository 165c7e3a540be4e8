"""What nobody else ends, the sweeper does: dead workers, silence, validity that runs out."""

import asyncio
from datetime import timedelta

from linegate.dispatch.receipts import Receipts
from linegate.dispatch.settle import Decided, settle
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience, State, WaitForEvent
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.postgres.dispatching import Tried
from support.world import HOUR, SECOND, World

PATIENCE = Patience()


def sweeper_of(world: World, patience: Patience = PATIENCE) -> Sweeper:
    return Sweeper(world.pool, world.clock, patience, world.metrics)


async def hand_over_all(world: World) -> None:
    claimed = [each.unfinished for each in await world.claim()]
    group = [
        Decided(
            message,
            WaitForEvent(State.SENT, min(message.deadline_at, world.now + 24 * HOUR), world.now, 0),
            Tried(message.id, message.attempt, world.now, world.now, Outcome(OutcomeKind.ACCEPTED)),
        )
        for message in claimed
    ]
    await settle(world.pool, group, world.now)


async def test_nothing_is_swept_before_its_time(world: World) -> None:
    await world.accept(3)
    await world.claim(1)
    assert await sweeper_of(world).run_once() == 0


async def test_a_lost_lease_leads_to_one_resend_and_then_to_the_end(world: World) -> None:
    (id_,) = await world.accept()
    sweeper = sweeper_of(world)
    await world.claim_one()  # and the worker dies
    await world.clock.advance(15 * SECOND)
    assert await sweeper.run_once() == 1
    assert await world.step(id_) == "unknown"
    await world.clock.advance(119 * SECOND)
    assert await sweeper.run_once() == 0
    await world.clock.advance(SECOND)
    assert await sweeper.run_once() == 1
    assert await world.step(id_) == "due_alone"

    assert (await world.claim_one()).attempt == 2  # the resend; and the worker dies again
    await world.clock.advance(15 * SECOND)
    await sweeper.run_once()
    assert await world.step(id_) == "unknown"
    await world.clock.advance(24 * HOUR - SECOND)
    assert await sweeper.run_once() == 0
    await world.clock.advance(SECOND)
    assert await sweeper.run_once() == 1
    assert await world.ends() == {id_: (29, 4101)}


async def test_with_resend_after_0_a_lost_lease_is_never_sent_again(world: World) -> None:
    (id_,) = await world.accept()
    sweeper = sweeper_of(world, Patience(resend_after=timedelta(0)))
    await world.claim_one()
    await world.clock.advance(15 * SECOND)
    await sweeper.run_once()
    await world.clock.advance(24 * HOUR)
    await sweeper.run_once()
    assert await world.ends() == {id_: (29, 4101)}


async def test_24_hours_of_silence_after_the_hand_over_end_a_message(world: World) -> None:
    (id_,) = await world.accept()
    await hand_over_all(world)
    await world.clock.advance(24 * HOUR - SECOND)
    assert await sweeper_of(world).run_once() == 0
    await world.clock.advance(SECOND)
    await sweeper_of(world).run_once()
    assert await world.ends() == {id_: (29, 4101)}


async def test_validity_that_runs_out_after_the_hand_over_ends_as_expired(world: World) -> None:
    (id_,) = await world.accept(validity=HOUR)
    await hand_over_all(world)
    await world.clock.advance(HOUR)
    await sweeper_of(world).run_once()
    assert await world.ends() == {id_: (15, 4101)}
    (final,) = await world.rows("SELECT * FROM final")
    assert (final["sent_at"], final["done_at"]) == (world.now - HOUR, world.now)


async def test_validity_that_runs_out_while_due_tells_whether_it_may_have_gone(
    world: World,
) -> None:
    endpoint = await world.new_endpoint("https://example.com/reports")
    (never,) = await world.accept(validity=HOUR, endpoint_id=endpoint)
    (perhaps,) = await world.accept(validity=HOUR, endpoint_id=endpoint)
    await world.rows("UPDATE queue SET unknowns = 1 WHERE id = $1", perhaps)
    await world.clock.advance(HOUR)
    assert await sweeper_of(world).run_once() == 2
    assert await world.ends() == {never: (15, 4100), perhaps: (15, 4101)}
    assert len(await world.rows("SELECT 1 FROM push")) == 2


async def test_an_event_that_comes_while_the_outcome_is_unknown_spares_the_resend(
    world: World,
) -> None:
    (id_,) = await world.accept()
    await world.claim_one()
    await world.clock.advance(15 * SECOND)
    await sweeper_of(world).run_once()
    receipts = Receipts(world.pool, world.clock, world.metrics, linger=timedelta(0))
    await receipts.take([world.an_event(id_)])
    await world.clock.advance(HOUR)
    assert await sweeper_of(world).run_once() == 0
    assert await world.ends() == {id_: (5, 0)}


async def test_two_sweepers_share_the_work_and_end_each_message_once(world: World) -> None:
    ids = [id_ for _ in range(2) for id_ in await world.accept(750, validity=HOUR)]
    await world.clock.advance(HOUR)
    one, other = sweeper_of(world), sweeper_of(world)
    swept = 0
    while moved := sum(await asyncio.gather(one.run_once(), other.run_once())):
        swept += moved
    assert swept == 1500
    assert sorted(await world.ends()) == sorted(ids)
