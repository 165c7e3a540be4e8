"""Validity: minutes unless said otherwise, never longer than 48 hours."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.validity import LONGEST, Unit, validity_of

UNITS: list[Unit] = ["SECONDS", "MINUTES", "HOURS"]


@pytest.mark.parametrize(
    ("amount", "unit", "period"),
    [
        (10, "SECONDS", timedelta(seconds=10)),
        (10, "MINUTES", timedelta(minutes=10)),
        (10, "HOURS", timedelta(hours=10)),
        (10, None, timedelta(minutes=10)),
        (48, "HOURS", timedelta(hours=48)),
        (49, "HOURS", timedelta(hours=48)),
        (172_801, "SECONDS", timedelta(hours=48)),
        (10**30, "HOURS", timedelta(hours=48)),
    ],
)
def test_the_period_is_what_was_asked_for_up_to_48_hours(
    amount: int, unit: Unit | None, period: timedelta
) -> None:
    assert validity_of(amount, unit) == period


@given(st.integers(1, 10**12), st.sampled_from(UNITS))
def test_it_is_never_longer_than_the_longest(amount: int, unit: Unit) -> None:
    assert timedelta(0) < validity_of(amount, unit) <= LONGEST
