"""What happened so far: messages shown on phones, duplicates, counts by day. All bounded."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["JAPAN_TIME", "Duplicates", "Shown", "Tally", "day_of"]

# Counts are kept by day in UTC+9. Source: LINE reference, counting endpoint (FACTS A1.8).
JAPAN_TIME = timezone(timedelta(hours=9))


def day_of(now: float) -> str:
    """The day in UTC+9, as `yyyyMMdd`; `now` in seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).astimezone(JAPAN_TIME).strftime("%Y%m%d")


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as a phone would have shown it.

    to:      the digest; number: digits without plus, None outside of the owned numbers.
    content: the JSON of `messages`, or of `templateKey` and `body`.
    at:      seconds since 1970.
    """

    channel: str
    to: str
    number: str | None
    alt_text: str
    content: bytes
    tag: str
    at: float


class Duplicates:
    """Counts repeats among the last `remembered` pairs."""

    def __init__(self, remembered: int) -> None:
        self.repeats = 0
        self.distinct = 0
        self._remembered = remembered
        # Not one dict: to find its oldest key, it walks over all places of those that have gone.
        self._seen: set[int] = set()
        self._order: deque[int] = deque()

    def note(self, first: str, second: object) -> None:
        """Note a pair; an equal one before counts as a repeat."""
        key = hash((first, second))
        if key in self._seen:
            self.repeats += 1
            return
        self.distinct += 1
        self._seen.add(key)
        self._order.append(key)
        if len(self._order) > self._remembered:
            self._seen.discard(self._order.popleft())


class Tally:
    """One channel's counts."""

    def __init__(self, remembered_pairs: int) -> None:
        self.requests = 0
        self.answers: Counter[int] = Counter()
        self.fates: Counter[str] = Counter()
        self.taken = 0
        self.delivered = 0
        self.by_day: Counter[tuple[str, str]] = Counter()
        self.tags = Duplicates(remembered_pairs)
        self.same_tag = Duplicates(remembered_pairs)
        self.same_content = Duplicates(remembered_pairs)
        self._day_until = 0.0
        self._day = ""

    def deliver(self, kind: str, now: float) -> None:
        """Count a message that a phone has, on its day. kind: `flexible` or `templated`."""
        self.delivered += 1
        if now >= self._day_until:
            self._day = day_of(now)
            # UTC+9 has no summer time, so its midnights are 86,400 s apart.
            self._day_until = (now + 32_400) // 86_400 * 86_400 + 54_000
        self.by_day[self._day, kind] += 1
