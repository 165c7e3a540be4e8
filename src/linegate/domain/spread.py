"""Where in time messages lie: which days of ids hold what was sent, or ended, in a span.

Messages are kept by the day of their id, which is when they were accepted, and shown by when they
were sent or ended. Nearly all end within PROMPT_DAYS; the days of others are noted (`late_day`).
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from linegate.domain.ids import day_start, first_id_at, id_time

__all__ = [
    "AHEAD",
    "PROMPT_DAYS",
    "IdRange",
    "LateDay",
    "Span",
    "days_ended_since",
    "id_ranges",
    "spans",
]

PROMPT_DAYS = 2
"""Days of UTC+9 after that of a message object (UTC) on which its messages end, unless late."""

AHEAD = timedelta(minutes=1)
"""Ids may be of a little later than what they name: those of a large bulk are made at once."""

_DAY = timedelta(days=1)
_STEP = timedelta(microseconds=1)
_LINE_DAY = timedelta(hours=9)
_BEFORE = 1  # days that a message's id may be before its object's: chunks of imports


class Span(NamedTuple):
    """From an instant to another, both in it."""

    since: datetime
    until: datetime


class LateDay(NamedTuple):
    """A day of objects of which something ended late; last_day: of the newest message."""

    day: date
    last_day: date


class IdRange(NamedTuple):
    """Ids from `first` on, up to `end`, which is not in it."""

    first: int
    end: int

    def days(self) -> tuple[date, date]:
        """The first day, and the day behind the last, of a range of whole days."""
        return _day_of(self.first), _day_of(self.end)

    def until(self, at: datetime) -> "IdRange":
        """Those of them that may have been made until an instant."""
        return IdRange(self.first, max(self.first, min(self.end, first_id_at(at + AHEAD))))


def spans(since: datetime, until: datetime, now: datetime) -> Iterator[Span]:
    """A time cut into spans, the newest first: the last day, and then twice as much each time."""
    length = _DAY
    begin = min(until, now) - length
    while until >= since:
        yield Span(max(since, begin), until)
        until, length = begin - _STEP, length * 2
        begin = until - length


def days_ended_since(span: Span) -> date:
    """The day (UTC+9) from which on late ends may belong to a span."""
    return (span.since + _LINE_DAY).date()


def id_ranges(span: Span, late: Iterable[LateDay], now: datetime) -> list[IdRange]:
    """The days of ids of what was sent or ended in a span, the newest first, without gaps."""
    newest = (min(span.until, max(now, span.since)) + AHEAD).date()
    days = [(span.since.date() - (PROMPT_DAYS + _BEFORE) * _DAY, newest)]
    days += [(each.day - _BEFORE * _DAY, each.last_day + _DAY) for each in late]
    joined: list[tuple[date, date]] = []
    for first, last in sorted(days, reverse=True, key=lambda pair: (pair[1], pair[0])):
        if joined and last >= joined[-1][0] - _DAY:
            joined[-1] = min(first, joined[-1][0]), joined[-1][1]
        elif first <= newest:
            joined.append((first, min(last, newest)))
    return [IdRange(day_start(first), day_start(last + _DAY)) for first, last in joined]


def _day_of(id_: int) -> date:
    return id_time(id_).date()
