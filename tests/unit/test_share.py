"""How many of a process's places one sender or route may hold."""

from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.share import room_of


@given(free=st.integers(1, 256), own=st.integers(0, 256))
def test_nobody_fills_the_process_and_nobody_is_left_without_a_place(free: int, own: int) -> None:
    more = room_of(free, own)
    assert own + more <= max(1, (free + own) * 3 // 4)
    assert more <= free
    assert more >= 1 or own >= 1


def test_the_last_free_place_goes_to_whoever_holds_none() -> None:
    others = [192, 48, 12, 3]  # each as many as it may hold
    assert room_of(256 - sum(others), 0) == 1
