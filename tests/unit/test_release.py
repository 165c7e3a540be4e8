"""What becomes due of a bulk: played through from its acceptance to its last message."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from linegate.domain.pace import LATEST, Pace
from linegate.domain.release import LEAD, Release, Run, Track, behind, plan_release
from linegate.domain.window import DeliveryWindow

NOW = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
ALL_WEEK = frozenset(range(1, 8))
LONG = timedelta(hours=48)


def a_track(id_: int = 1, remaining: int = 5, **more: object) -> Track:
    track = Track(id_, remaining, LONG, None, None)
    return replace(track, **more)  # type: ignore[arg-type]


def plan(run: Run, *tracks: Track, room: int = 100, turns: int = 0, now: datetime = NOW) -> Release:
    return plan_release(run, tracks, room=room, turns=turns, now=now)


def at_once(pace: Pace | None = None) -> Run:
    return Run(NOW, NOW, pace)


@dataclass
class Played:
    """What came of a bulk: when its messages became due, by track; how many expired."""

    due_ats: dict[int, list[datetime]]
    expired: int
    looks: int


def play(run: Run, tracks: list[Track], *, room: int, looks: int) -> Played:
    """Look whenever the plan says, as the shaper does; messages leave at once."""
    now = NOW
    state = {track.id: track for track in tracks}
    played = Played({track.id: [] for track in tracks}, 0, 0)
    while played.looks < looks:
        played.looks += 1
        waiting = [track for track in state.values() if track.remaining]
        found = plan_release(run, waiting, room=room, turns=0, now=now)
        for track, at in found.eligible:
            state[track.id] = replace(state[track.id], eligible_at=at)
        for take in found.takes:
            track = state[take.track.id]
            played.due_ats[track.id] += take.due_ats
            left = track.remaining - len(take.due_ats)
            state[track.id] = replace(track, remaining=left)
        for track in found.expired:
            played.expired += state[track.id].remaining
            state[track.id] = replace(state[track.id], remaining=0)
        run = replace(run, free_at=found.free_at)
        if found.next_at is None:
            return played
        assert found.next_at >= now
        now = found.next_at
    return played


@st.composite
def cases(draw: st.DrawFn) -> tuple[Run, list[Track]]:
    send_at = NOW + timedelta(seconds=draw(st.integers(0, 3 * 24 * 3600)))
    amount = draw(st.none() | st.integers(30, 100_000))
    pace = Pace(amount, timedelta(minutes=1)) if amount else None
    tracks = []
    for id_ in range(1, draw(st.integers(1, 4)) + 1):
        window = None
        if draw(st.booleans()):
            opens = draw(st.integers(0, 1439))
            closes = (opens + draw(st.integers(60, 1439))) % 1440
            days = draw(st.frozensets(st.integers(1, 7), min_size=1))
            window = DeliveryWindow(days, opens, closes)
        validity = timedelta(seconds=draw(st.integers(10, 48 * 3600)))
        tracks.append(Track(id_, draw(st.integers(1, 60)), validity, window, None))
    return Run(send_at, send_at, pace), tracks


@settings(max_examples=150, deadline=None)
@given(case=cases(), room=st.integers(1, 200))
def test_every_message_is_released_in_its_time_and_window_or_expires(
    case: tuple[Run, list[Track]], room: int
) -> None:
    run, tracks = case
    played = play(run, tracks, room=room, looks=3000)
    released = sum(map(len, played.due_ats.values()))
    assert released + played.expired == sum(track.remaining for track in tracks)
    for track in tracks:
        for due_at in played.due_ats[track.id]:
            assert due_at >= run.send_at
            assert track.window is None or track.window.contains(due_at)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_the_pace_holds_over_all_tracks_together(case: tuple[Run, list[Track]]) -> None:
    run, tracks = case
    run = replace(run, pace=run.pace or Pace(600, timedelta(minutes=1)))
    played = play(run, tracks, room=0, looks=3000)
    assert run.pace is not None
    instants = sorted(at for due_ats in played.due_ats.values() for at in due_ats)
    least = run.pace.unit / run.pace.amount
    for earlier, later in pairwise(instants):
        assert later - earlier >= least - timedelta(microseconds=1)
    assert played.expired == 0  # a slow bulk never expires before its turn


@given(case=cases(), room=st.integers(0, 200), turns=st.integers(0, 50))
def test_the_same_input_gives_the_same_plan(
    case: tuple[Run, list[Track]], room: int, turns: int
) -> None:
    run, tracks = case
    first = plan_release(run, tracks, room=room, turns=turns, now=run.send_at)
    assert first == plan_release(run, list(tracks), room=room, turns=turns, now=run.send_at)


def test_a_bulk_is_left_alone_until_shortly_before_its_time() -> None:
    run = Run(NOW + HOUR, NOW + HOUR, None)
    early = plan(run, a_track())
    assert (early.takes, early.next_at) == ((), NOW + HOUR - LEAD)
    ready = plan(run, a_track(), now=NOW + HOUR - LEAD)
    assert ready.takes[0].due_ats == [NOW + HOUR] * 5


def test_without_a_pace_no_more_is_released_than_the_sender_has_room_for() -> None:
    found = plan(at_once(), a_track(1, 100), a_track(2, 100), room=30)
    assert [len(take.due_ats) for take in found.takes] == [15, 15]
    assert found.next_at is not None


def test_a_small_track_leaves_its_room_to_the_next() -> None:
    found = plan(at_once(), a_track(1, 2), a_track(2, 100), room=30)
    assert [len(take.due_ats) for take in found.takes] == [2, 28]


def test_messages_that_come_back_take_the_first_turns_of_the_same_pace() -> None:
    run = at_once(Pace(60, timedelta(minutes=1)))
    found = plan(run, a_track(), turns=3, now=NOW)
    assert list(found.turns) == [NOW]
    assert not found.takes
    assert found.free_at > NOW
    assert found.next_at is not None
    assert found.next_at <= found.free_at


def test_one_zone_that_is_closed_holds_up_no_other() -> None:
    closed = DeliveryWindow(ALL_WEEK, 20 * 60, 22 * 60)
    run = at_once(Pace(6000, timedelta(minutes=1)))
    found = plan(run, a_track(1, 5, window=closed), a_track(2, 5))
    assert [take.track.id for take in found.takes] == [2]


def test_when_everything_is_closed_it_sleeps_until_the_first_opening() -> None:
    closed = DeliveryWindow(ALL_WEEK, 20 * 60, 22 * 60)
    found = plan(at_once(Pace(6000, timedelta(minutes=1))), a_track(window=closed))
    assert not found.takes
    assert found.next_at == NOW.replace(hour=20) - LEAD


# Decision 8: what uses up validity.


def test_without_a_pace_validity_runs_from_the_opening_of_the_window() -> None:
    closed = DeliveryWindow(ALL_WEEK, 20 * 60, 22 * 60)
    assert not plan(at_once(), a_track(window=closed)).eligible
    opening = NOW.replace(hour=20)
    track = a_track(window=closed)
    assert plan(at_once(), track, room=0, now=opening - LEAD).eligible == [(track, opening)]


def test_with_a_pace_validity_does_not_run_before_the_turn() -> None:
    run = at_once(Pace(1, timedelta(days=1)))
    assert not plan(run, a_track()).eligible
    much_later = plan(run, a_track(), now=NOW + 30 * LONG)
    assert not much_later.expired


def test_what_waited_longer_than_its_validity_expires_at_that_instant_and_not_before() -> None:
    track = a_track(validity=10 * SECOND, eligible_at=NOW)
    assert not plan(at_once(), track, room=0, now=NOW + 10 * SECOND - LATEST / 1000).expired
    over = plan(at_once(), track, room=0, now=NOW + 10 * SECOND)
    assert list(over.expired) == [track]
    assert over.next_at == NOW + 10 * SECOND  # in chunks: there may be more


def test_expiry_is_not_held_up_by_a_track_that_opens_tomorrow() -> None:
    closed = a_track(2, window=DeliveryWindow(ALL_WEEK, 20 * 60, 22 * 60))
    over = plan(at_once(), a_track(1, eligible_at=NOW - LONG), closed)
    assert over.next_at == NOW


def test_it_wakes_for_an_expiry_that_comes_before_the_next_opening() -> None:
    window = DeliveryWindow(ALL_WEEK, 20 * 60, 22 * 60)
    track = a_track(window=window, validity=10 * SECOND, eligible_at=NOW)
    assert plan(at_once(), track).next_at == NOW + 10 * SECOND


def test_when_nothing_waits_nothing_is_looked_at_again() -> None:
    assert plan(at_once()).next_at is None
    assert plan(at_once(), a_track(1, 3)).next_at is None


def test_no_slot_of_a_slow_pace_is_spent_before_the_window_opens() -> None:
    closed = DeliveryWindow(ALL_WEEK, 20 * 60, 22 * 60)
    run = at_once(Pace(1, HOUR))
    opening = NOW.replace(hour=20)
    found = plan(run, a_track(window=closed), now=opening - LEAD / 2)
    assert [list(take.due_ats) for take in found.takes] == [[opening]]


def test_slots_are_planned_for_when_they_are_written_and_until_the_next_are() -> None:
    pace = Pace(600, timedelta(minutes=1))
    found = plan_release(
        at_once(pace), [a_track(1, 100)], room=0, turns=0, now=NOW, behind=2 * SECOND
    )
    (take,) = found.takes
    assert take.due_ats[0] == NOW + 2 * SECOND
    assert NOW + 4 * SECOND <= take.due_ats[-1] <= NOW + 4 * SECOND + LEAD


def test_only_what_is_always_slow_counts_as_behind() -> None:
    slow, quick, stood_still = 0.8 * SECOND, SECOND / 50, 60 * SECOND
    assert behind([]) == behind([slow, quick, stood_still]) == timedelta(0)
    assert behind([slow, SECOND, stood_still]) == slow
    assert behind([stood_still] * 3) == 5 * SECOND


def test_no_message_has_a_slot_after_its_window() -> None:
    window = DeliveryWindow(ALL_WEEK, 9 * 60, 10 * 60)
    run = at_once(Pace(600, timedelta(minutes=1)))
    now = NOW + HOUR - SECOND / 10
    found = plan(run, a_track(1, 100, window=window), now=now)
    assert [at for take in found.takes for at in take.due_ats] == [now]
