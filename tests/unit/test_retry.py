"""The two back-offs: of attempts at LINE, and of delivery reports as published."""

from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.retry import PUSH_TRIES, push_delay, send_delay


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (10_000, 300)]
)
def test_attempts_that_did_not_go_out_wait_twice_as_long_up_to_five_minutes(
    failures: int, seconds: int
) -> None:
    assert send_delay(failures, 0.0) == timedelta(seconds=seconds)


@given(st.integers(1, 1000), st.floats(-1, 1))
def test_the_jitter_moves_a_wait_by_a_fifth_at_the_most(failures: int, spread: float) -> None:
    plain, moved = send_delay(failures, 0.0), send_delay(failures, spread)
    assert abs(moved - plain) <= plain / 5 + timedelta(microseconds=1)
    assert moved > timedelta(0)


def test_reports_come_again_as_published_20_times_over_41_hours_and_a_half() -> None:
    delays = [push_delay(tries) for tries in range(1, PUSH_TRIES)]
    known = [delay for delay in delays if delay is not None]
    assert len(known) == 20
    minutes = [delay // timedelta(minutes=1) for delay in known]
    assert minutes[:4] == [1, 2, 5, 10]
    assert minutes == [1 + n * n for n in range(20)]
    *_, last = accumulate(known)
    assert last == timedelta(hours=41, minutes=30)


@pytest.mark.parametrize("tries", [PUSH_TRIES, PUSH_TRIES + 1, 1000])
def test_after_the_last_retry_a_report_is_given_up(tries: int) -> None:
    assert push_delay(tries) is None
