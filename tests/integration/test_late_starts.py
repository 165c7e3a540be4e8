"""A worker that stood still between claim and attempt sends nothing: its place has passed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from linegate.dispatch.receipts import Receipts
from linegate.dispatch.senders import Senders
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.postgres.sms import claim_sms
from support.sending import TOKEN, Sending, sending
from support.sms_world import ACCEPTED, REFUSED, sms_world
from support.waiting import until
from support.world import SECOND, World, a_number


@pytest.fixture
async def work(world: World) -> AsyncIterator[Sending]:
    async with sending(world) as made:
        yield made


class LateToken:
    """A token that comes when the test says so: what holds a message up before LINE is asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.come = asyncio.Event()

    async def token(self) -> str:
        self.asked.set()
        await self.come.wait()
        return TOKEN

    async def renew(self, refused: str) -> str:
        return TOKEN


async def held_up(world: World, work: Sending, for_seconds: float) -> None:
    """A turn of the dispatcher in which so much time passes between claim and attempt."""
    token = LateToken()
    senders = Senders(world.pool, world.clock, world.metrics, lambda _: token)
    await senders.run_once()
    dispatcher = work.fresh_dispatcher(senders)
    await dispatcher.run_once()
    await token.asked.wait()
    await world.clock.advance(for_seconds * SECOND)
    await Sweeper(world.pool, world.clock, Patience(), world.metrics).run_once()
    token.come.set()
    await dispatcher.aclose()


def counted(world: World, name: str, **labels: str) -> float | None:
    return world.metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("seconds", [0.9, 1.1, 14.0, 40.0])
async def test_what_was_held_up_after_its_claim_goes_back_unsent_and_uncounted(
    world: World, work: Sending, seconds: float
) -> None:
    """40 s: its lease had ended, and the sweeper had made it unknown, which it no longer is."""
    (id_,) = await world.accept()
    await held_up(world, work, seconds)
    is_late = seconds > 1
    assert await work.requests() == (0 if is_late else 1)
    assert await world.step(id_) == ("due_alone" if is_late else "sent")
    assert counted(world, "linegate_unbegun_total", leg="LINE") == (1 if is_late else None)
    if is_late:
        assert await world.tries(id_) == []
        row = await world.queued(id_)
        assert row is not None
        assert (row["unknowns"], row["failures"]) == (0, 0)
        assert await work.turn() == 1
        assert await world.step(id_) == "sent"


async def test_where_every_attempt_is_held_up_messages_go_all_the_same(
    world: World, work: Sending
) -> None:
    """A slow database or too few cores: what is late each time must not go back each time."""
    await world.accept()
    token = LateToken()
    senders = Senders(world.pool, world.clock, world.metrics, lambda _: token)
    await senders.run_once()
    dispatcher = work.fresh_dispatcher(senders)
    requests = []
    for _ in range(2):
        token.asked.clear()
        token.come.clear()
        await dispatcher.run_once()
        await token.asked.wait()
        await world.clock.advance(3 * SECOND)
        token.come.set()
        await until(work.is_settled)
        requests.append(await work.requests())
    await dispatcher.aclose()
    assert requests == [0, 1]


async def test_a_slot_that_has_passed_since_the_claim_is_not_used(
    world: World, work: Sending
) -> None:
    (id_,) = await world.accept()
    await world.rows("UPDATE queue SET step = 'due_paced', home = 'turn', due_at = $1", world.now)
    await held_up(world, work, 0.3)
    assert await work.requests() == 0
    assert await world.step(id_) == "turn"  # for another slot


async def test_an_attempt_that_was_begun_is_not_taken_back(world: World, work: Sending) -> None:
    (id_,) = await world.accept(1, destinations=[a_number(86)])
    await work.dispatcher.run_once()
    await until(work.requests)
    await world.clock.advance(14 * SECOND)
    await until(work.is_settled)
    assert await world.step(id_) == "sent"


async def test_an_sms_whose_claim_stood_still_goes_back_unsent(world: World) -> None:
    async with sms_world(world) as sms:
        (id_,) = await sms.accept()
        await sms.line_says(REFUSED)
        await sms.routes.run_once()
        other = await world.connect()
        async with other.transaction():  # the claim's next question waits for this
            await other.execute("LOCK TABLE message_object IN ACCESS EXCLUSIVE MODE")
            claiming = asyncio.create_task(sms.dispatcher.run_once())
            await until(lambda: is_claimed(world))
            await world.clock.advance(2 * SECOND)
        assert await claiming == 1
        await sms.rest()
        await other.close()
        assert sms.provider.seen == []
        assert await sms.legs() == {id_: "due"}
        assert counted(world, "linegate_unbegun_total", leg="SMS") == 1
        assert await sms.send() == 1
        assert await sms.legs() == {id_: "sent"}


async def is_claimed(world: World) -> bool:
    return bool(await world.rows("SELECT FROM sms_leg WHERE step = 'sending'"))


# What may go twice is counted ---------------------------------------------------------------------


async def test_a_lost_lease_and_its_resend_are_counted(world: World) -> None:
    await world.accept(3)
    await world.claim()  # and the worker dies
    sweeper = Sweeper(world.pool, world.clock, Patience(), world.metrics)
    await world.clock.advance(15 * SECOND)
    await sweeper.run_once()
    assert counted(world, "linegate_leases_lost_total", leg="LINE") == 3
    assert counted(world, "linegate_resends_total", leg="LINE") is None
    await world.clock.advance(120 * SECOND)
    await sweeper.run_once()
    assert counted(world, "linegate_resends_total", leg="LINE") == 3


async def test_an_event_that_comes_before_the_resend_is_counted_as_a_resend_less(
    world: World,
) -> None:
    lost, known = await world.accept(2)
    receipts = Receipts(world.pool, world.clock, world.metrics, linger=SECOND / 1000)
    await world.claim()
    await world.rows("UPDATE queue SET step = 'unknown' WHERE id = $1", lost)
    await receipts.take([world.an_event(lost), world.an_event(known)])
    await receipts.aclose()
    assert counted(world, "linegate_resends_spared_total") == 1
    assert set(await world.ends()) == {lost, known}


async def test_an_unanswered_sms_and_its_resend_are_counted(world: World) -> None:
    async with sms_world(world) as sms:
        sms.provider.answers = [Outcome(OutcomeKind.UNKNOWN), ACCEPTED]
        await sms.accept()
        await sms.line_says(REFUSED)
        await sms.send()
        assert counted(world, "linegate_resends_total", leg="SMS") == 1
        await sms.send()
        assert counted(world, "linegate_resends_total", leg="SMS") == 1
        assert len(sms.provider.seen) == 2


async def test_an_sms_whose_worker_died_is_counted_and_goes_again(world: World) -> None:
    async with sms_world(world) as sms:
        (id_,) = await sms.accept()
        await sms.line_says(REFUSED)
        async with world.pool.acquire() as conn:
            until_then = world.now + 15 * SECOND
            await claim_sms(conn, wanted={sms.route: 1}, lease_until=until_then, now=world.now)
        await world.clock.advance(15 * SECOND)
        await sms.sweep()
        assert counted(world, "linegate_leases_lost_total", leg="SMS") == 1
        assert counted(world, "linegate_resends_total", leg="SMS") == 1
        assert await sms.legs() == {id_: "due"}
