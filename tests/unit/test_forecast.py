"""What the forecast tells is what the plan does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from linegate.domain.forecast import Forecast, Lot, forecast
from linegate.domain.pace import Pace, pace_of
from linegate.domain.release import Run, Track, plan_release
from linegate.domain.window import DeliveryWindow

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
LONG = timedelta(hours=48)
ALL_WEEK = frozenset(range(1, 8))


def told(*lots: Lot, pace: Pace | None = None, send_at: datetime = NOW) -> Forecast:
    return forecast(lots, pace=pace, send_at=send_at, per_second=1900, now=NOW)


def played(lots: list[Lot], pace: Pace) -> list[datetime]:
    """When the messages become due by the plan itself, looking as often as it asks for."""
    tracks = {
        n: Track(n, lot.messages, lot.validity, lot.window, None) for n, lot in enumerate(lots)
    }
    run, now, due_ats = Run(NOW, NOW, pace), NOW, list[datetime]()
    for _ in range(5000):
        waiting = [track for track in tracks.values() if track.remaining]
        plan = plan_release(run, waiting, room=0, turns=0, now=now)
        for take in plan.takes:
            due_ats += take.due_ats
            track = tracks[take.track.id]
            left = track.remaining - len(take.due_ats)
            tracks[track.id] = replace(track, remaining=left)
        run = replace(run, free_at=plan.free_at)
        if plan.next_at is None:
            return sorted(due_ats)
        now = plan.next_at
    raise AssertionError("the plan did not come to an end")


@st.composite
def some_lots(draw: st.DrawFn) -> list[Lot]:
    lots = []
    for _ in range(draw(st.integers(1, 3))):
        window = None
        if draw(st.booleans()):
            opens = draw(st.integers(0, 1439))
            closes = (opens + draw(st.integers(60, 1439))) % 1440
            window = DeliveryWindow(ALL_WEEK, opens, closes)
        lots.append(Lot(draw(st.integers(1, 40)), LONG, window))
    return lots


@settings(max_examples=60, deadline=None)
@given(lots=some_lots(), amount=st.integers(10, 3000))
def test_a_paced_bulk_ends_when_the_plan_ends_it(lots: list[Lot], amount: int) -> None:
    pace = pace_of(amount, "HOUR")
    due_ats = played(lots, pace)
    found = told(*lots, pace=pace)
    assert found.messages == len(due_ats)
    assert found.first_at == due_ats[0]
    assert found.last_at is not None
    # At a window's edge the one or the other may lose a slot.
    slack = pace.after(2 * len(lots) + 2) + timedelta(hours=24 if _may_miss(found) else 0)
    assert abs(found.last_at - due_ats[-1]) <= slack


def _may_miss(found: Forecast) -> bool:
    """Whether something leaves so near a window's end that a slot less means a day more."""
    return len(found.stretches) > 1


def test_a_million_without_a_pace_take_as_long_as_the_sender_allows() -> None:
    found = told(Lot(1_000_000, LONG))
    assert found.last_at is not None
    assert abs((found.last_at - NOW).total_seconds() - 1_000_000 / 1900) < 1
    assert (found.messages, found.expired, found.untold) == (1_000_000, 0, 0)


def test_a_window_that_closes_leaves_the_rest_for_the_next_day() -> None:
    window = DeliveryWindow(ALL_WEEK, 9 * 60, 10 * 60)
    found = told(Lot(150, LONG, window), pace=Pace(100, HOUR, timedelta(0)))
    assert [stretch.messages for stretch in found.stretches] == [100, 50]
    assert found.stretches[1].first_at == NOW + 24 * HOUR
    by_hour = [count for _, count in found.per_step(HOUR)]
    assert (by_hour[0], by_hour[24], sum(by_hour)) == (100, 50, 150)


def test_what_cannot_go_while_it_is_valid_is_told_as_expired() -> None:
    window = DeliveryWindow(frozenset({4}), 9 * 60, 10 * 60)  # an hour a week
    found = told(Lot(10_000_000, 2 * HOUR, window))
    assert found.messages == 1900 * 3600
    assert found.expired == 10_000_000 - 1900 * 3600


def test_a_bulk_of_the_past_begins_now_and_of_the_future_then() -> None:
    assert told(Lot(1, LONG), send_at=NOW - HOUR).first_at == NOW
    assert told(Lot(1, LONG), send_at=NOW + HOUR).first_at == NOW + HOUR


def test_nothing_leaves_of_nothing() -> None:
    found = told()
    assert (found.first_at, found.last_at, found.per_step(HOUR)) == (None, None, [])


@given(count=st.integers(1, 5000), seconds=st.integers(1, 4000))
def test_steps_lose_and_double_no_message(count: int, seconds: int) -> None:
    found = told(Lot(count, LONG), pace=pace_of(100, "MINUTE"))
    assert sum(n for _, n in found.per_step(seconds * SECOND)) == count


@given(count=st.integers(1, 200_000), amount=st.integers(1, 5000))
@example(count=33_880, amount=1)  # twenty-three days and a half
def test_round_steps_are_few_and_lose_and_double_no_message(count: int, amount: int) -> None:
    found = told(Lot(count, LONG), pace=pace_of(amount, "MINUTE"))
    steps = found.steps(most=24)
    assert len(steps) <= 24
    assert sum(n for _, n in steps) == count
