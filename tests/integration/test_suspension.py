"""A suspended account sends nothing and loses nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from linegate.dispatch.senders import Senders
from linegate.dispatch.suspender import Suspender
from linegate.dispatch.sweeper import Sweeper
from linegate.domain.bulk import Schedule
from linegate.domain.decide import Patience
from linegate.line.tokens import FixedToken
from linegate.metrics import Metrics
from linegate.postgres.dispatching import Arrived, deliver
from linegate.postgres.pool import Pool
from linegate.postgres.suspension import resume_account, suspend_account
from linegate.shape.shaper import Shaper
from support.clock import FakeClock
from support.sms_world import REFUSED, sms_world
from support.world import HOUR, SECOND, World, a_world


@pytest.fixture
async def world(pool: Pool, clock: FakeClock, database_url: str) -> AsyncIterator[World]:
    made = await a_world(pool, clock, database_url)
    yield made
    await made.acceptor.aclose()


async def suspend(world: World) -> None:
    async with world.pool.acquire() as conn:
        assert await suspend_account(conn, world.account, now=world.now)
        assert not await suspend_account(conn, world.account, now=world.now)
    await settle(world)


async def resume(world: World) -> None:
    async with world.pool.acquire() as conn:
        assert await resume_account(conn, world.account, now=world.now)
        assert not await resume_account(conn, world.account, now=world.now)
    await settle(world)


async def settle(world: World) -> None:
    suspender = Suspender(world.pool, world.clock)
    while await suspender.run_once():
        pass


async def test_nothing_is_claimed_and_nothing_expires_while_suspended(world: World) -> None:
    (id_,) = await world.accept(1, validity=HOUR)
    senders = Senders(world.pool, world.clock, world.metrics, lambda _: FixedToken("t"))
    sweeper = Sweeper(world.pool, world.clock, Patience(), Metrics(CollectorRegistry()))
    await suspend(world)
    await senders.run_once()
    assert senders.wanted(10, world.now) == {}
    await world.clock.advance(3 * HOUR)
    await sweeper.run_once()
    assert await world.steps() == {id_: "held"}
    await resume(world)
    await sweeper.run_once()
    assert await world.steps() == {id_: "due_alone"}
    await world.clock.advance(HOUR - SECOND)  # it has its whole hour again
    await sweeper.run_once()
    assert await world.steps() == {id_: "due_alone"}
    await world.clock.advance(SECOND)
    await sweeper.run_once()
    assert await world.steps() == {}


async def test_deliveries_of_what_was_handed_over_still_count(world: World) -> None:
    (id_,) = await world.accept()
    await world.claim()
    await suspend(world)
    async with world.pool.acquire() as conn:
        event = Arrived(id_, 1, world.sender, world.now)
        assert await deliver(conn, [event], now=world.now) == {id_: False}


async def test_other_accounts_go_on(world: World) -> None:
    other = await world.new_account("other")
    sender = await world.new_sender("OTHER", other)
    await world.acceptor.accept(world.a_bulk(world.an_object(sender_id=sender), account=other))
    await suspend(world)
    assert len(await world.claim(wanted={sender: 10})) == 1


async def test_bulk_that_waits_is_not_released_and_keeps_its_validity(world: World) -> None:
    bulk = world.a_bulk(world.an_object(3, validity=HOUR))
    bulk.schedule = Schedule(world.now + HOUR)
    await world.acceptor.accept(bulk)
    shaper = Shaper(world.pool, world.clock, world.metrics)
    await suspend(world)
    await world.clock.advance(5 * HOUR)
    assert await shaper.run_once() == 0
    assert await world.steps() == {}
    await resume(world)
    await shaper.run_once()
    assert list((await world.steps()).values()) == ["due_alone"] * 3


async def test_what_its_client_has_paused_stays_paused(world: World) -> None:
    ids = await world.accept(2)
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO bulk_run"
            " (bulk_id, account_id, last_id, messages, status, send_at, free_at, changed_at)"
            " SELECT id, account_id, last_id, 2, 'paused', $1, $1, $1 FROM bulk",
            world.now,
        )
        await conn.execute("UPDATE queue SET step = 'held'")
    await suspend(world)
    await world.clock.advance(timedelta(minutes=5))
    await resume(world)
    assert await world.steps() == dict.fromkeys(ids, "held")


async def test_what_waits_for_its_sms_is_parked_and_goes_on_with_its_validity(
    world: World,
) -> None:
    async with sms_world(world) as sms:
        (id_,) = await sms.accept(sms_validity=HOUR)
        await sms.line_says(REFUSED)
        assert await sms.legs() == {id_: "due"}
        await suspend(world)
        assert await sms.send() == 0
        await world.clock.advance(3 * HOUR)
        await sms.sweep()
        assert await sms.send() == 0
        assert sms.provider.seen == []
        assert await sms.legs() == {id_: "due"}  # three hours late, and not expired
        await resume(world)
        assert await sms.send() == 1
        assert [each.message_id for each in sms.provider.seen] == [id_]
        (leg,) = await world.rows("SELECT deadline_at FROM sms_leg")
        assert leg["deadline_at"] == world.now + HOUR
        await sms.provider.receipt("1-1")
        assert await world.end(id_) == (5, 0)


async def test_sms_that_was_handed_over_before_still_ends_by_its_receipt(world: World) -> None:
    async with sms_world(world) as sms:
        (id_,) = await sms.accept()
        await sms.line_says(REFUSED)
        assert await sms.send() == 1
        await suspend(world)
        await sms.provider.receipt("1-1")
        assert await world.end(id_) == (5, 0)
