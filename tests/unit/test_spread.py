"""Which days of ids are looked at for what was sent or ended in a span of time."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from linegate.domain.ids import day_start
from linegate.domain.spread import (
    IdRange,
    LateDay,
    Span,
    days_ended_since,
    id_ranges,
    spans,
)

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def between(first: date, end: date) -> IdRange:
    return IdRange(day_start(first), day_start(end))


def test_spans_cover_a_time_without_gaps_the_newest_and_shortest_first() -> None:
    found = list(spans(NOW - 30 * DAY, NOW + 2 * DAY, NOW))
    assert found[0].until == NOW + 2 * DAY
    assert found[0].since == NOW - DAY
    assert found[-1].since == NOW - 30 * DAY
    for newer, older in pairwise(found):
        assert newer.since - older.until == timedelta(microseconds=1)
        assert older.until - older.since <= 2 * (newer.until - newer.since)
    assert len(found) == 5


def test_a_span_of_nothing_is_none() -> None:
    assert list(spans(NOW, NOW - DAY, NOW)) == []
    assert list(spans(NOW, NOW, NOW)) == [Span(NOW, NOW)]


def test_a_span_is_looked_for_in_its_days_and_those_in_which_prompt_messages_were_accepted() -> (
    None
):
    (only,) = id_ranges(Span(NOW - DAY, NOW), [], NOW)
    assert only == between(date(2026, 1, 11), date(2026, 1, 16))
    assert only.days() == (date(2026, 1, 11), date(2026, 1, 16))


def test_days_that_are_not_yet_are_not_looked_at() -> None:
    (only,) = id_ranges(Span(NOW - DAY, NOW + 30 * DAY), [], NOW)
    assert only.end == day_start(date(2026, 1, 16))


def test_late_days_are_looked_at_by_themselves_or_together_with_their_neighbours() -> None:
    span = Span(NOW - DAY, NOW)
    far = LateDay(date(2025, 3, 1), date(2025, 3, 3))
    near = LateDay(date(2026, 1, 10), date(2026, 1, 10))
    found = id_ranges(span, [far, near], NOW)
    assert found == [
        between(date(2026, 1, 9), date(2026, 1, 16)),
        between(date(2025, 2, 28), date(2025, 3, 5)),
    ]


def test_a_day_that_was_late_after_the_span_is_over_is_left_out() -> None:
    old = Span(NOW - 20 * DAY, NOW - 19 * DAY)
    late = LateDay(date(2026, 1, 10), date(2026, 1, 10))
    (only,) = id_ranges(old, [late], NOW)
    assert only == between(date(2025, 12, 23), date(2025, 12, 28))


def test_late_ends_are_counted_by_days_of_nine_hours_ahead() -> None:
    assert days_ended_since(Span(NOW, NOW)) == date(2026, 1, 15)
    evening = NOW.replace(hour=16)
    assert days_ended_since(Span(evening, evening)) == date(2026, 1, 16)
