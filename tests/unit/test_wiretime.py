"""Instants are read in every published way of writing, and written in one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.domain.wiretime import format_instant, parse_instant


@pytest.mark.parametrize(
    "text",
    [
        "2015-07-07T17:00:00.000+01:00",
        "2015-07-07T17:00:00.000+0100",
        "2015-07-07T16:00:00Z",
        "2015-07-07T16:00:00.0Z",
        "2015-07-07T16:00:00.000000000+0000",
        "2015-07-08T05:30:00+13:30",
        "2015-07-07T04:00:00-12:00",
    ],
)
def test_offsets_with_and_without_colon_and_z_name_the_same_instant(text: str) -> None:
    assert parse_instant(text) == datetime(2015, 7, 7, 16, tzinfo=UTC)


def test_fraction_is_cut_at_a_microsecond() -> None:
    instant = parse_instant("2015-07-07T16:00:00.123456789Z")
    assert instant == datetime(2015, 7, 7, 16, microsecond=123456, tzinfo=UTC)
    half = parse_instant("2015-07-07T16:00:00.5Z")
    assert half == datetime(2015, 7, 7, 16, microsecond=500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2015-07-07",
        "2015-07-07T17:00:00",
        "2015-07-07T17:00:00.",
        "2015-07-07T17:00:00.Z",
        "2015-07-07T17:00:00.1234567890Z",
        "2015-07-07 17:00:00Z",
        "2015-07-07T17:00Z",
        "2015-07-07T17:00:00+1",
        "2015-07-07T17:00:00+01",
        "2015-07-07T17:00:00+24:00",
        "2015-07-07T17:00:00+00:60",
        "2015-02-29T00:00:00Z",
        "2015-13-01T00:00:00Z",
        "2015-07-07T24:00:00Z",
        "2015-07-07T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2015-07-07T17:00:00Z\n",
        "\u0662015-07-07T17:00:00Z",
    ],
)
def test_what_names_no_instant_is_none(text: str) -> None:
    assert parse_instant(text) is None


def test_report_dates_are_utc_with_milliseconds_and_an_offset_without_colon() -> None:
    at = datetime(2023, 9, 26, 10, 52, 15, 457_999, tzinfo=UTC)
    assert format_instant(at) == "2023-09-26T10:52:15.457+0000"
    assert format_instant(at.astimezone(timezone(timedelta(hours=9)))) == format_instant(at)
    assert format_instant(at.replace(microsecond=0)) == "2023-09-26T10:52:15.000+0000"


def test_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        format_instant(datetime(2023, 9, 26))  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_can_be_read_again_to_the_millisecond(at: datetime) -> None:
    read = parse_instant(format_instant(at))
    assert read == at.replace(microsecond=at.microsecond // 1000 * 1000)
