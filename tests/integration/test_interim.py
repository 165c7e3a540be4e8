"""Intermediate reports: a hand-over is told to clients that asked for it, before the end."""

from linegate.dispatch.settle import Decided, settle
from linegate.domain.decide import Finish, State, Step, Unfinished, WaitForEvent
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.postgres.dispatching import Tried
from linegate.postgres.reporting import DueReport, due_reports
from linegate.report.drain import START
from support.world import HOUR, SECOND, World

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, code=200)
URL = "https://example.com/reports"


def told(world: World, message: Unfinished, step: Step) -> Decided:
    tried = Tried(message.id, message.attempt, world.now, world.now, ACCEPTED)
    return Decided(message, step, tried, wants_interim=True)


def sent(world: World, state: State = State.SENT) -> WaitForEvent:
    return WaitForEvent(state, world.now + HOUR, world.now, 0)


async def waiting(world: World, endpoint: int) -> list[DueReport]:
    async with world.pool.acquire() as conn:
        return await due_reports(conn, endpoint, after=START, in_hand=[], limit=9, now=world.now)


async def test_a_hand_over_is_reported_as_enroute_and_the_end_after_it(world: World) -> None:
    endpoint = await world.new_endpoint(URL)
    await world.accept(endpoint_id=endpoint)
    message = await world.claim_one()
    await settle(world.pool, [told(world, message, sent(world))], world.now)
    (interim,) = await waiting(world, endpoint)
    assert (interim.message.id, interim.number, interim.message.status) == (message.id, 2, 7)
    assert interim.message.sent_at == world.now
    await world.clock.advance(SECOND)
    await settle(world.pool, [told(world, message, Finish(9, 7002))], world.now)
    interim, final = await waiting(world, endpoint)
    assert (final.number, final.message.status, interim.number) == (0, 9, 2)


async def test_an_unknown_outcome_is_no_hand_over(world: World) -> None:
    endpoint = await world.new_endpoint(URL)
    await world.accept(endpoint_id=endpoint)
    message = await world.claim_one()
    await settle(world.pool, [told(world, message, sent(world, State.UNKNOWN))], world.now)
    assert await waiting(world, endpoint) == []


async def test_who_wants_no_reports_gets_no_intermediate_one_either(world: World) -> None:
    await world.accept()
    message = await world.claim_one()
    await settle(world.pool, [told(world, message, sent(world))], world.now)
    assert await world.rows("SELECT * FROM push") == []


async def test_a_worker_that_lost_its_lease_reports_nothing(world: World) -> None:
    endpoint = await world.new_endpoint(URL)
    await world.accept(endpoint_id=endpoint)
    message = await world.claim_one()
    await world.rows("UPDATE queue SET attempt = attempt + 1 RETURNING id")
    await settle(world.pool, [told(world, message, sent(world))], world.now)
    assert await waiting(world, endpoint) == []
