"""An hour of LINE answering 500, on a clock that the test drives."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from linegate.dispatch.sweeper import Sweeper
from linegate.domain.decide import Patience
from support.sending import Sending, sending
from support.world import SECOND, World, a_number

STEP = 15 * SECOND
STEPS_OF_AN_HOUR = 240
MESSAGES = 400
AT_ONCE = 192  # of one sender, three quarters of a worker's places
PROBES_OF_AN_HOUR = 64  # after 5, 10, 20, 40 and then every 60 seconds


@pytest.fixture
async def work(world: World) -> AsyncIterator[Sending]:
    async with sending(world) as made:
        yield made


async def test_an_hour_of_errors_costs_one_claim_and_a_probe_a_minute(
    world: World, work: Sending
) -> None:
    sweeper = Sweeper(world.pool, world.clock, Patience(), world.metrics)
    await world.accept(MESSAGES, destinations=[a_number(at * 100) for at in range(MESSAGES)])
    await work.switch("500")
    for _ in range(STEPS_OF_AN_HOUR):
        await work.turn()
        await sweeper.run_once()
        await world.clock.advance(STEP)
    asked = await work.requests()
    assert AT_ONCE < asked <= AT_ONCE + PROBES_OF_AN_HOUR
    assert await work.hold() == "unreachable"

    await work.switch("normal")
    for _ in range(4 + MESSAGES // AT_ONCE):  # a probe comes within a minute and opens the way
        await world.clock.advance(STEP)
        await work.turn()
    assert await work.hold() is None
    steps = Counter((await world.steps()).values())
    # Sent twice without an answer, a message waits for LINE's event and is not sent a third time.
    assert set(steps) <= {"sent", "unknown"}
    assert steps["unknown"] <= PROBES_OF_AN_HOUR
    assert sum(steps.values()) == MESSAGES
