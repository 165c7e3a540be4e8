"""The speed limit: never faster in any span of one unit, evenly spaced, no catching up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.pace import LATEST, Pace, begin_by, pace_of

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LOOK = timedelta(milliseconds=300)
UNITS = st.sampled_from([timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)])


def looks(pace: Pace, at_seconds: list[float], limit: int = 400) -> list[datetime]:
    """All slots that a shaper takes who looks at these instants."""
    slots: list[datetime] = []
    free_at = NOW
    for seconds in at_seconds:
        now = NOW + timedelta(seconds=seconds)
        found, free_at = pace.slots(free_at, now=now, until=now + LOOK, limit=limit)
        slots += found
    return slots


def most_in_a_span(instants: list[datetime], span: timedelta) -> int:
    """The most instants in any half-open span; two pointers over sorted instants."""
    most = first = 0
    for last, instant in enumerate(instants):
        while instants[first] <= instant - span:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(
    amount=st.integers(1, 3000),
    unit=UNITS,
    rests=st.lists(st.floats(0, 40), min_size=1, max_size=60),
    late=st.lists(st.floats(0, LATEST.total_seconds()), min_size=1, max_size=20),
)
def test_no_span_of_one_unit_has_more_than_the_limit_however_late_each_goes(
    amount: int, unit: timedelta, rests: list[float], late: list[float]
) -> None:
    at = [sum(rests[: n + 1]) for n in range(len(rests))]
    slots = looks(Pace(amount, unit), at)
    sent = sorted(slot + timedelta(seconds=late[n % len(late)]) for n, slot in enumerate(slots))
    assert most_in_a_span(sent, unit) <= amount + 1


@given(amount=st.integers(1, 100_000), unit=UNITS, limit=st.integers(1, 300))
def test_slots_are_evenly_spaced_and_never_closer_than_the_limit(
    amount: int, unit: timedelta, limit: int
) -> None:
    slots, free_at = Pace(amount, unit).slots(NOW, now=NOW, until=NOW + unit, limit=limit)
    gaps = [later - earlier for earlier, later in pairwise([*slots, free_at])]
    assert slots[0] == NOW
    # A microsecond of rounding either way, and on the whole never faster than the limit.
    assert max(gaps) - min(gaps) <= timedelta(microseconds=1)
    assert (free_at - NOW) * amount >= unit * len(slots)


def test_six_hundred_at_six_thousand_a_minute_take_six_seconds() -> None:
    slots, _ = pace_of(6000, None).slots(NOW, now=NOW, until=NOW + 60 * SECOND, limit=600)
    assert len(slots) == 600
    assert 5.95 < (slots[-1] - slots[0]).total_seconds() < 6.05


def test_what_a_silence_missed_is_not_made_up_for() -> None:
    pace = pace_of(600, "MINUTE")
    _, free_at = pace.slots(NOW, now=NOW, until=NOW + SECOND, limit=100)
    after = NOW + 10 * SECOND
    slots, _ = pace.slots(free_at, now=after, until=after + SECOND, limit=100)
    assert slots[0] == after
    assert len(slots) == 10


def test_no_slot_is_taken_without_a_message_for_it() -> None:
    pace = pace_of(60, "MINUTE")
    assert pace.slots(NOW + SECOND, now=NOW, until=NOW + LOOK, limit=5) == ([], NOW + SECOND)
    assert pace.slots(NOW, now=NOW, until=NOW + LOOK, limit=0) == ([], NOW)


def test_the_unit_is_a_minute_if_none_is_given() -> None:
    assert pace_of(5, None) == pace_of(5, "MINUTE") == Pace(5, timedelta(minutes=1))
    assert pace_of(5, "DAY").unit == timedelta(days=1)


@pytest.mark.parametrize(
    ("slot", "usual", "seconds"),
    [
        (None, 0.0, 1.0),
        (None, 0.4, 1.0),
        (None, 3.0, 6.0),  # every claim is slow
        (None, 60.0, 15.0),  # never after the lease
        (0.05, 0.0, 0.3),
        (0.05, 0.1, 0.3),
        (0.05, 1.0, 2.0),
    ],
)
def test_an_attempt_begins_soon_after_its_claim_or_slot(
    slot: float | None, usual: float, seconds: float
) -> None:
    last = begin_by(
        None if slot is None else NOW + slot * SECOND,
        asked_at=NOW,
        usual=usual * SECOND,
        lease_until=NOW + 15 * SECOND,
    )
    assert last == NOW + seconds * SECOND
