"""LINE's delivery events end messages, whenever they come, and only the sender's own."""

import asyncio
from datetime import timedelta

from linegate.dispatch.receipts import Receipts
from linegate.dispatch.settle import Decided, settle
from linegate.domain.decide import Finish, State, TryAgain, Unfinished, WaitForEvent
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.postgres.dispatching import Tried, move
from support.world import HOUR, SECOND, World

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, code=200)


def receipts_of(world: World) -> Receipts:
    return Receipts(world.pool, world.clock, world.metrics, linger=timedelta(milliseconds=1))


async def hand_over(world: World, message: Unfinished) -> int:
    step = WaitForEvent(State.SENT, world.now + 24 * HOUR, world.now, message.unknowns)
    tried = Tried(message.id, message.attempt, world.now, world.now, ACCEPTED)
    return await settle(world.pool, [Decided(message, step, tried)], world.now)


def counted(world: World, result: str) -> float:
    value = world.metrics.registry.get_sample_value("linegate_events_total", {"result": result})
    return value or 0.0


async def test_an_event_ends_a_message_as_delivered_with_its_report(world: World) -> None:
    endpoint = await world.new_endpoint("https://example.com/reports")
    (id_,) = await world.accept(endpoint_id=endpoint)
    sent_at = world.now
    await hand_over(world, await world.claim_one())
    await world.clock.advance(3 * SECOND)
    await receipts_of(world).take([world.an_event(id_, at=world.now - SECOND)])
    (final,) = await world.rows("SELECT * FROM final")
    assert (final["message_id"], final["status"], final["error"]) == (id_, 5, 0)
    assert (final["sent_at"], final["done_at"]) == (sent_at, sent_at + 2 * SECOND)
    assert await world.steps() == {}
    assert len(await world.rows("SELECT 1 FROM push")) == 1
    assert counted(world, "delivered") == 1


async def test_an_event_of_another_senders_webhook_changes_nothing(world: World) -> None:
    other = await world.new_sender("another")
    (id_,) = await world.accept()
    await hand_over(world, await world.claim_one())
    await receipts_of(world).take([world.an_event(id_, sender=other)])
    assert await world.step(id_) == "sent"
    assert await world.ends() == {}
    assert await world.rows("SELECT 1 FROM late_event") == []
    assert counted(world, "unknown") == 1


async def test_a_false_event_does_not_push_out_the_true_one_beside_it(world: World) -> None:
    other = await world.new_sender("another")
    (id_,) = await world.accept()
    await hand_over(world, await world.claim_one())
    receipts = receipts_of(world)
    await asyncio.gather(
        receipts.take([world.an_event(id_)]), receipts.take([world.an_event(id_, sender=other)])
    )
    assert await world.end(id_) == (5, 0)


async def test_a_repeated_event_is_recorded_and_reports_once(world: World) -> None:
    endpoint = await world.new_endpoint("https://example.com/reports")
    (id_,) = await world.accept(endpoint_id=endpoint)
    await hand_over(world, await world.claim_one())
    receipts = receipts_of(world)
    await receipts.take([world.an_event(id_), world.an_event(id_)])
    await receipts.take([world.an_event(id_)])
    assert await world.ends() == {id_: (5, 0)}
    assert len(await world.rows("SELECT 1 FROM push")) == 1
    assert len(await world.rows("SELECT 1 FROM late_event")) == 1


async def test_an_event_before_the_settle_ends_the_message_and_the_settle_changes_nothing(
    world: World,
) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    await receipts_of(world).take([world.an_event(id_)])
    assert await hand_over(world, message) == 0
    assert await world.steps() == {}
    assert await world.ends() == {id_: (5, 0)}
    assert await world.tries(id_) == [(1, "accepted", 200, 0)]  # the time line has it all the same


async def test_an_event_for_an_earlier_attempt_ends_a_message_that_was_sent_again(
    world: World,
) -> None:
    (id_,) = await world.accept()
    first = await world.claim_one()
    async with world.pool.acquire() as conn:
        unknown = WaitForEvent(State.UNKNOWN, world.now, world.now, 1)
        await move(conn, [(first, unknown)])
        await move(conn, [(first, TryAgain(world.now, 0))])
    second = await world.claim_one()
    assert second.attempt == 2
    await receipts_of(world).take([world.an_event(id_, 1)])
    assert await world.ends() == {id_: (5, 0)}


async def test_an_event_ends_a_message_that_is_due_again(world: World) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    async with world.pool.acquire() as conn:
        await move(conn, [(message, TryAgain(world.now + HOUR, 1))])
    await receipts_of(world).take([world.an_event(id_, 1)])
    assert await world.ends() == {id_: (5, 0)}


async def test_an_event_for_an_attempt_that_was_never_made_is_not_believed(world: World) -> None:
    (id_,) = await world.accept()
    await receipts_of(world).take([world.an_event(id_, 1)])
    assert await world.step(id_) == "due_alone"
    await world.claim_one()
    await receipts_of(world).take([world.an_event(id_, 2)])
    assert await world.ends() == {}


async def test_an_event_after_the_end_goes_to_the_time_line_and_changes_no_report(
    world: World,
) -> None:
    (id_,) = await world.accept()
    message = await world.claim_one()
    tried = Tried(id_, 1, world.now, world.now, ACCEPTED)
    await settle(world.pool, [Decided(message, Finish(29, 4101), tried)], world.now)
    await world.clock.advance(HOUR)
    await receipts_of(world).take([world.an_event(id_)])
    assert await world.ends() == {id_: (29, 4101)}
    (late,) = await world.rows("SELECT * FROM late_event")
    assert (late["message_id"], late["attempt"], late["received_at"]) == (id_, 1, world.now)
    assert counted(world, "late") == 1


async def test_an_event_of_an_unknown_message_is_counted_and_nothing_else(world: World) -> None:
    await receipts_of(world).take([world.an_event(2**62)])
    assert counted(world, "unknown") == 1
    assert await world.rows("SELECT 1 FROM late_event") == []


async def test_events_of_concurrent_calls_share_commits(world: World) -> None:
    ids = await world.accept(300)
    claimed = await world.claim(300)
    assert len(claimed) == 300
    receipts = receipts_of(world)
    await asyncio.gather(*(receipts.take([world.an_event(id_)]) for id_ in ids))
    assert set((await world.ends()).values()) == {(5, 0)}
    (row,) = await world.rows("SELECT count(DISTINCT xmin::text) AS commits, count(*) FROM final")
    assert row["count"] == 300
    assert row["commits"] < 60


async def test_a_report_never_says_that_it_was_delivered_before_it_was_sent(world: World) -> None:
    """LINE's clock may be behind or ahead of ours."""
    ids = await world.accept(2)
    for message in await world.claim():
        await hand_over(world, message.unfinished)
    receipts = receipts_of(world)
    await receipts.take([world.an_event(ids[0], at=world.now - HOUR)])
    await receipts.take([world.an_event(ids[1], at=world.now + HOUR)])
    rows = await world.rows("SELECT sent_at, done_at FROM final")
    assert [tuple(row) for row in rows] == [(world.now, world.now)] * 2
