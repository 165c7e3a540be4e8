"""A content that LINE refuses whoever it goes to is stopped alone, and goes on when resumed."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience
from linegate.domain.ids import public_id
from linegate.domain.steering import BulkStatus
from linegate.postgres.audit import By
from linegate.shape.shaper import Shaper
from linegate.shape.steering import Steering
from support.sending import Sending, sending
from support.world import HOUR, World, a_number

BAD, GOOD = 91, 0


@pytest.fixture
async def work(world: World) -> AsyncIterator[Sending]:
    async with sending(world) as made:
        yield made


async def bulk_of(world: World, id_: int) -> int:
    (row,) = await world.rows(
        "SELECT object.bulk_id FROM message JOIN message_object AS object "
        "ON object.id = message.object_id WHERE message.id = $1",
        id_,
    )
    return int(row["bulk_id"])


async def test_twenty_equal_refusals_stop_the_content_alone(world: World, work: Sending) -> None:
    bad = await world.accept(60, destinations=[a_number(BAD)] * 60)
    good = await world.accept(30, destinations=[a_number(GOOD)] * 30)
    dispatcher = work.fresh_dispatcher(work.senders, in_flight=25)
    work.dispatcher = dispatcher
    for _ in range(6):
        await work.turn()
        await world.clock.advance(timedelta(seconds=2))
    await dispatcher.aclose()
    steps = await world.steps()
    held = [id_ for id_ in bad if steps.get(id_) == "held"]
    ended = [id_ for id_ in bad if await world.end(id_)]
    assert len(held) + len(ended) == 60
    assert 20 <= len(ended) <= 45  # those in flight with the twentieth
    assert {steps[id_] for id_ in good} == {"sent"}
    (row,) = await world.rows("SELECT reason FROM object_hold")
    assert row["reason"]


async def test_its_validity_stands_still_until_the_bulk_is_resumed(
    world: World, work: Sending
) -> None:
    ids = await world.accept(60, destinations=[a_number(BAD)] * 60)
    bulk_id = await bulk_of(world, ids[0])
    work.dispatcher = work.fresh_dispatcher(work.senders, in_flight=25)
    for _ in range(4):
        await work.turn()
        await world.clock.advance(timedelta(seconds=2))
    await work.dispatcher.aclose()
    held = [id_ for id_, step in (await world.steps()).items() if step == "held"]
    await world.clock.advance(100 * HOUR)
    assert await Sweeper(world.pool, world.clock, Patience(), world.metrics).run_once() == 0
    steering = Steering(world.pool)
    view = await steering.show(world.account, public_id(bulk_id), world.now)
    assert view is not None
    assert view.held
    assert view.counts.due == len(held)
    said = await steering.set_status(
        world.account, public_id(bulk_id), BulkStatus.PROCESSING, By("user alice", world.now)
    )
    assert said is BulkStatus.PROCESSING
    (noted,) = await world.rows("SELECT actor, changes::text FROM audit WHERE kind = 'bulk'")
    assert tuple(noted) == ("user alice", '{"refused_contents": [1, 0]}')
    rows = await world.rows("SELECT DISTINCT step::text, deadline_at > $1 FROM queue", world.now)
    assert [tuple(row) for row in rows] == [("due_bulk", True)]


async def test_a_cancelled_bulk_ends_with_what_was_stopped_of_it(
    world: World, work: Sending
) -> None:
    ids = await world.accept(60, destinations=[a_number(BAD)] * 60)
    bulk_id = await bulk_of(world, ids[0])
    work.dispatcher = work.fresh_dispatcher(work.senders, in_flight=25)
    for _ in range(4):
        await work.turn()
        await world.clock.advance(timedelta(seconds=2))
    await work.dispatcher.aclose()
    await Steering(world.pool).set_status(
        world.account, public_id(bulk_id), BulkStatus.CANCELED, By("", world.now)
    )
    shaper = Shaper(world.pool, world.clock, world.metrics)
    while await shaper.run_once():
        pass
    assert await world.steps() == {}


async def test_a_good_answer_between_begins_the_count_anew(world: World, work: Sending) -> None:
    fates = [BAD] * 19 + [GOOD] + [BAD] * 19
    await world.accept(len(fates), destinations=[a_number(fate) for fate in fates])
    work.dispatcher = work.fresh_dispatcher(work.senders, in_flight=1)
    for _ in range(len(fates)):
        await work.turn()
    await work.dispatcher.aclose()
    assert await world.rows("SELECT * FROM object_hold") == []
