"""A clock that counts evenly and never goes back."""

from datetime import UTC, datetime, timedelta

from linegate.clock import SteadyClock

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Ticks:
    """Seconds that the test lets pass."""

    def __init__(self) -> None:
        self.passed = 1000.0

    def __call__(self) -> float:
        return self.passed


def test_it_counts_from_where_it_began() -> None:
    ticks = Ticks()
    clock = SteadyClock(NOON, ticks)
    ticks.passed += 90
    assert clock.now() == NOON + 90 * SECOND


def test_set_forward_it_goes_on_from_there() -> None:
    ticks = Ticks()
    clock = SteadyClock(NOON, ticks)
    clock.move(SECOND / 4)
    assert clock.now() == NOON + SECOND / 4


def test_set_back_it_stands_still_until_it_has_caught_up() -> None:
    ticks = Ticks()
    clock = SteadyClock(NOON, ticks)
    ticks.passed += 10
    told = clock.now()
    clock.move(-2 * SECOND)
    ticks.passed += 1
    assert clock.now() == told
    ticks.passed += 2
    assert clock.now() == told + SECOND


async def test_a_sleep_until_the_past_is_over_at_once() -> None:
    clock = SteadyClock(NOON, Ticks())
    await clock.sleep_until(NOON - SECOND)
    assert clock.now() == NOON
