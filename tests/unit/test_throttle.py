"""Charges count within their window, each key for itself."""

from datetime import UTC, datetime, timedelta

from linegate.api.throttle import Throttle

NOW = datetime(2026, 1, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_key_waits_from_its_limit_to_the_end_of_the_window() -> None:
    throttle = Throttle(2, MINUTE)
    throttle.charge("a", NOW)
    assert throttle.wait("a", NOW) == 0
    throttle.charge("a", NOW + timedelta(seconds=20))
    assert throttle.wait("a", NOW + timedelta(seconds=20)) == 40
    assert throttle.wait("b", NOW + timedelta(seconds=20)) == 0
    assert throttle.wait("a", NOW + MINUTE) == 0


def test_new_window_counts_from_nothing() -> None:
    throttle = Throttle(1, MINUTE)
    throttle.charge("a", NOW)
    throttle.charge("a", NOW + MINUTE)
    assert throttle.wait("a", NOW + MINUTE) == 60


def test_refunded_charge_does_not_count() -> None:
    throttle = Throttle(1, MINUTE)
    throttle.charge("a", NOW)
    throttle.refund("a")
    throttle.refund("never charged")
    assert throttle.wait("a", NOW) == 0


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    throttle = Throttle(1, MINUTE)
    for key in range(20_001):
        throttle.charge(key, NOW)
    assert throttle.wait(0, NOW) == 0
    assert throttle.wait(20_000, NOW) == 60
