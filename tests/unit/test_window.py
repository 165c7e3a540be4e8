"""When a delivery window is open: days, nights, week's edges, and the two days clocks change."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.window import DeliveryWindow

ALL_WEEK = frozenset(range(1, 8))
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

ZONES = st.sampled_from(
    [
        UTC,
        BERLIN,
        ZoneInfo("Asia/Tokyo"),
        ZoneInfo("America/New_York"),
        ZoneInfo("Australia/Lord_Howe"),  # clocks change by half an hour
        ZoneInfo("Asia/Kathmandu"),  # +05:45
        ZoneInfo("America/St_Johns"),
    ]
)
INSTANTS = st.integers(0, 2 * 365 * 24 * 3600).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@st.composite
def windows(draw: st.DrawFn) -> DeliveryWindow:
    days = draw(st.frozensets(st.integers(1, 7), min_size=1))
    zone = draw(ZONES)
    if draw(st.booleans()):
        return DeliveryWindow(days, None, None, zone)
    opens = draw(st.integers(0, 1439))
    closes = (opens + draw(st.integers(60, 1439))) % 1440
    return DeliveryWindow(days, opens, closes, zone)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def open_minutes(window: DeliveryWindow, start: datetime, minutes: int) -> int:
    return sum(window.contains(start + MINUTE * n) for n in range(minutes))


@given(window=windows(), at=INSTANTS)
def test_the_next_opening_is_open_not_before_now_and_nothing_opens_between(
    window: DeliveryWindow, at: datetime
) -> None:
    found = window.next_open(at)
    assert found >= at
    assert window.contains(found)
    if found > at:
        assert not window.contains(found - timedelta(microseconds=1))
        # Sampled: each minute of the last two hours, then each hour back to `at`.
        minute = found - MINUTE
        while minute >= at and found - minute < 2 * HOUR:
            assert not window.contains(minute)
            minute -= MINUTE
        while minute >= at:
            assert not window.contains(minute)
            minute -= HOUR / 2


@given(window=windows(), at=INSTANTS)
def test_the_next_closing_is_closed_and_nothing_closes_between(
    window: DeliveryWindow, at: datetime
) -> None:
    opened = window.next_open(at)
    closing = window.next_close(opened)
    if closing is None:
        assert (window.days, window.opens) == (ALL_WEEK, None)
        return
    assert closing > opened
    assert not window.contains(closing)
    step = max((closing - opened) / 50, timedelta(minutes=1))
    instant = opened
    while instant < closing:
        assert window.contains(instant)
        instant += step
    assert window.contains(closing - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (utc(2026, 1, 15, 8, 59, 59), False),
        (utc(2026, 1, 15, 9, 0), True),  # a Thursday; from is inclusive
        (utc(2026, 1, 15, 17, 59, 59), True),
        (utc(2026, 1, 15, 18, 0), False),  # to is exclusive
        (utc(2026, 1, 16, 12, 0), False),  # not its day
    ],
)
def test_from_is_inclusive_and_to_exclusive(at: datetime, is_open: bool) -> None:
    assert DeliveryWindow(frozenset({4}), 9 * 60, 18 * 60).contains(at) is is_open


def test_a_window_past_midnight_belongs_to_the_day_it_opens_on() -> None:
    sunday_night = DeliveryWindow(frozenset({7}), 22 * 60, 2 * 60)
    assert sunday_night.contains(utc(2026, 1, 18, 23, 0))  # Sunday
    assert sunday_night.contains(utc(2026, 1, 19, 1, 59))  # Monday: the week's edge
    assert not sunday_night.contains(utc(2026, 1, 18, 1, 0))  # Sunday, of Saturday's night
    assert not sunday_night.contains(utc(2026, 1, 19, 23, 0))
    assert sunday_night.next_open(utc(2026, 1, 19, 2, 0)) == utc(2026, 1, 25, 22, 0)


def test_whole_days_open_at_midnight_of_their_zone() -> None:
    tokyo = DeliveryWindow(frozenset({1}), None, None, ZoneInfo("Asia/Tokyo"))
    assert tokyo.next_open(utc(2026, 1, 15, 9, 0)) == utc(2026, 1, 18, 15, 0)


@pytest.mark.parametrize("zone", [UTC, BERLIN])
def test_a_window_of_every_whole_day_never_closes(zone: tzinfo) -> None:
    assert DeliveryWindow(ALL_WEEK, None, None, zone).next_close(utc(2026, 1, 15)) is None


# In Berlin the clock goes from 02:00 to 03:00 on 29 March 2026 (01:00 UTC), and from 03:00 back
# to 02:00 on 25 October 2026 (01:00 UTC).


def test_a_window_in_the_missing_hour_does_not_open_that_day() -> None:
    window = DeliveryWindow(ALL_WEEK, 2 * 60, 3 * 60, BERLIN)
    assert open_minutes(window, utc(2026, 3, 28, 23, 0), 23 * 60) == 0
    assert window.next_open(utc(2026, 3, 29, 0, 0)) == utc(2026, 3, 30, 0, 0)


def test_a_window_that_would_open_in_the_missing_hour_opens_when_it_is_over() -> None:
    window = DeliveryWindow(ALL_WEEK, 2 * 60 + 30, 4 * 60, BERLIN)
    assert window.next_open(utc(2026, 3, 29, 0, 0)) == utc(2026, 3, 29, 1, 0)
    assert open_minutes(window, utc(2026, 3, 28, 23, 0), 23 * 60) == 60


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    window = DeliveryWindow(ALL_WEEK, 2 * 60, 3 * 60, BERLIN)
    assert window.next_open(utc(2026, 10, 24, 23, 0)) == utc(2026, 10, 25, 0, 0)
    assert open_minutes(window, utc(2026, 10, 24, 22, 0), 25 * 60) == 120


def test_a_window_that_closes_in_the_doubled_hour_closes_opens_and_closes_again() -> None:
    window = DeliveryWindow(ALL_WEEK, 60, 2 * 60 + 30, BERLIN)
    first = window.next_close(utc(2026, 10, 24, 23, 30))
    assert first == utc(2026, 10, 25, 0, 30)
    again = window.next_open(first)
    assert again == utc(2026, 10, 25, 1, 0)
    assert window.next_close(again) == utc(2026, 10, 25, 1, 30)
