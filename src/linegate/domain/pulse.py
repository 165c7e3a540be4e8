"""How the overview counts: what has ended by span of time, and how long LINE's events took.

Spans of delivery are counted in buckets, so that a percentile of millions is read from a few rows.
Migration 0007 has the same bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

__all__ = ["BOUNDS", "BY_SMS", "SPANS", "Beat", "Span", "percentile"]

BOUNDS = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600)
"""Seconds at which buckets 1, 2, ... begin; the last one has no end."""

BY_SMS = -1
"""The bucket of messages that their SMS leg ended; each is counted in another bucket besides."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time that the overview shows. grain: minutes of one point of its chart."""

    name: str
    words: str
    lasts: timedelta
    grain: int


SPANS: Mapping[str, Span] = {
    "hour": Span("hour", "last hour", timedelta(hours=1), 1),
    "day": Span("day", "last day", timedelta(days=1), 15),
    "week": Span("week", "last week", timedelta(days=7), 120),
}


@dataclass(frozen=True, slots=True)
class Beat:
    """How many messages took this status and bucket, from a point of time on."""

    at: float
    status: int
    bucket: int
    messages: int


def percentile(by_bucket: Mapping[int, int], share: float) -> float | None:
    """Seconds within which that share was delivered, interpolated in its bucket; None of none.

    by_bucket: messages by bucket, 1 to len(BOUNDS); bucket 0 does not count.
    share:     0 to 1.
    """
    total = sum(count for bucket, count in by_bucket.items() if bucket > 0)
    wanted = share * total
    for bucket in range(1, len(BOUNDS) + 1):
        count = by_bucket.get(bucket, 0)
        if count and wanted <= count:
            low = BOUNDS[bucket - 1]
            high = BOUNDS[bucket] if bucket < len(BOUNDS) else low
            return low + (high - low) * wanted / count
        wanted -= count
    return None
