"""Marks save walking over what is done with, cost nothing while looks are cheap, hide nothing."""

from datetime import timedelta

import pytest

from linegate.low_water import BEGINNING, CHEAP, LowWater
from support.clock import FakeClock

NOW = FakeClock().now()
SLOW = timedelta(milliseconds=50)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def slow(low: LowWater[str]) -> None:
    """A look through everything that took long, and found nothing below its end."""
    look = low.look(NOW)
    assert look.is_full
    assert look.ended(NOW + SLOW)
    low.reached("a", NOW)


def test_while_looks_are_cheap_every_look_goes_through_everything() -> None:
    low: LowWater[str] = LowWater()
    for at in range(100):
        now = NOW + at * timedelta(milliseconds=20)
        look = low.look(now)
        assert look.is_full
        assert look.since("a") == BEGINNING
        assert look.begins() == {}
        assert not look.ended(now + CHEAP / 2)
        low.reached("a", now)


def test_after_a_slow_look_the_next_ones_begin_a_little_below_the_mark() -> None:
    low: LowWater[str] = LowWater()
    slow(low)
    low.look(NOW + SLOW)  # the deepest comes first
    look = low.look(NOW + SLOW + timedelta(milliseconds=10))
    assert not look.is_full
    assert look.since("a") == NOW - timedelta(milliseconds=250)
    assert look.begins() == {"a": NOW - timedelta(milliseconds=250)}
    assert look.since("b") == BEGINNING  # of which nothing is known


def test_what_lies_ahead_is_no_mark() -> None:
    low: LowWater[str] = LowWater()
    low.learn({"a": NOW + MINUTE, "b": None, "c": NOW - MINUTE}, NOW)
    assert [low.mark(part) for part in "abc"] == [NOW, NOW, NOW - MINUTE]


@pytest.mark.parametrize("took", [SLOW, SECOND])
def test_looking_through_everything_takes_a_twentieth_of_the_time(took: timedelta) -> None:
    low: LowWater[str] = LowWater()
    low.look(NOW).ended(NOW + took)
    assert not low.look(NOW + 20 * took).is_full
    assert low.look(NOW + 21 * took).is_full


def test_when_looks_are_cheap_again_nothing_is_left_out_any_more() -> None:
    low: LowWater[str] = LowWater()
    slow(low)
    again = NOW + 21 * SLOW
    assert not low.look(again).ended(again + CHEAP / 5)
    assert low.look(again + CHEAP).is_full


@pytest.mark.parametrize("late", [0.1, 0.6, 3.0, 40.0, 300.0])
def test_what_is_late_is_found_within_twice_the_time_that_it_is_late(late: float) -> None:
    """A row that is written `late` seconds after its place in the order, at a mark that moves on.

    The full look takes so long that it does not come to the rescue.
    """
    low: LowWater[str] = LowWater()
    low.look(NOW).ended(NOW + timedelta(hours=1))
    every = timedelta(milliseconds=100)
    written = NOW + timedelta(seconds=400)
    place = written - timedelta(seconds=late)
    now = NOW + SECOND
    while True:
        low.reached("a", now)  # the mark is as high as it can be
        look = low.look(now)
        assert not look.is_full
        if now >= written and look.since("a") < place:
            break
        now += every
    assert now - written <= timedelta(seconds=2 * late) + 2 * every


def test_the_price_of_looking_deeper_stays_small() -> None:
    """Of a queue that is served evenly: seconds of dead entries that are walked over, by second."""
    low: LowWater[str] = LowWater()
    low.look(NOW).ended(NOW + timedelta(hours=1))
    walked = timedelta(0)
    for at in range(6000):
        now = NOW + 10 * MINUTE + at * timedelta(milliseconds=100)
        low.reached("a", now)
        walked += min(now - low.look(now).since("a"), 10 * MINUTE)
    assert walked / (10 * MINUTE) < 28  # and not 600, as without marks
