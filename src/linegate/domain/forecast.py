"""How many messages of a bulk will leave when, if nothing goes wrong.

The same order as `release.py` plans by, in stretches of even flow instead of single messages, so
that a million of them cost as little as ten.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from linegate.domain.bulk import Bulk
from linegate.domain.pace import Pace
from linegate.domain.window import DeliveryWindow

__all__ = ["Forecast", "Lot", "Stretch", "forecast", "lots_of"]

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_STEPS = [
    *(timedelta(seconds=n) for n in (1, 5, 10, 30)),
    *(timedelta(minutes=n) for n in (1, 5, 10, 30)),
    *(timedelta(hours=n) for n in (1, 3, 6, 12, 24)),
]
_STRETCHES = 5000  # enough for years of daily windows; more is left untold


@dataclass(frozen=True, slots=True)
class Lot:
    """Messages that go under the same rules: one message object in one time zone.

    eligible_at: since when their validity runs, if it does already.
    """

    messages: int
    validity: timedelta
    window: DeliveryWindow | None = None
    eligible_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """`messages` leave evenly, the first at `first_at`, the last at `last_at`."""

    first_at: datetime
    last_at: datetime
    messages: int

    def between(self, start: datetime, end: datetime) -> int:
        """How many leave in [start, end)."""
        return self._before(end) - self._before(start)

    def _before(self, at: datetime) -> int:
        if at <= self.first_at:
            return 0
        if at > self.last_at:
            return self.messages
        done = (at - self.first_at) / (self.last_at - self.first_at)
        return min(self.messages, 1 + int(done * (self.messages - 1)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """What leaves when.

    stretches: in order of time.
    expired:   messages whose validity runs out before they could go.
    untold:    messages that leave later than this looks ahead.
    """

    stretches: Sequence[Stretch]
    expired: int = 0
    untold: int = 0

    @property
    def first_at(self) -> datetime | None:
        """When the first message leaves; None if none does."""
        return self.stretches[0].first_at if self.stretches else None

    @property
    def last_at(self) -> datetime | None:
        """When the last message leaves that is told of; None if none does."""
        return self.stretches[-1].last_at if self.stretches else None

    @property
    def messages(self) -> int:
        """How many leave."""
        return sum(stretch.messages for stretch in self.stretches)

    def per_step(self, step: timedelta) -> list[tuple[datetime, int]]:
        """How many leave in each step of time from the first message on; steps without any too."""
        if self.first_at is None or self.last_at is None:
            return []
        steps = []
        start = self.first_at
        while start <= self.last_at:
            end = start + step
            steps.append((start, sum(each.between(start, end) for each in self.stretches)))
            start = end
        return steps

    def steps(self, most: int = 24) -> list[tuple[datetime, int]]:
        """How many leave in each round step of time, of which there are at most `most`.

        Steps without any are left out. A step of an hour begins on the hour, in UTC.
        """
        if self.first_at is None or self.last_at is None:
            return []
        lasts = self.last_at - self.first_at
        size = next((size for size in _STEPS if lasts < size * (most - 1)), None)
        if size is None:
            size = timedelta(days=-(-(lasts.days + 1) // (most - 1)))  # the begun day counts
        start = _EPOCH + (self.first_at - _EPOCH) // size * size
        found = []
        while start <= self.last_at:
            count = sum(each.between(start, start + size) for each in self.stretches)
            if count:
                found.append((start, count))
            start += size
        return found


class _Flow:
    """A bulk on its way through time."""

    def __init__(self, lots: Sequence[Lot], pace: Pace, at: datetime, *, paced: bool) -> None:
        self.lots = list(lots)
        self.left = [lot.messages for lot in lots]
        self.eligible = [lot.eligible_at for lot in lots]
        self.pace = pace
        self.at = at
        self.paced = paced
        self.expired = 0
        self.stretches: list[Stretch] = []

    def run(self) -> None:
        """Go on until nothing is left, or for `_STRETCHES` steps."""
        for _ in range(_STRETCHES):
            waiting = [n for n, left in enumerate(self.left) if left]
            if not waiting:
                return
            opens = {n: self._opens(n) for n in waiting}
            if not self.paced:
                self._expire(opens)
                waiting = [n for n in waiting if self.left[n]]
            ready = [n for n in waiting if opens[n] <= self.at]
            if ready:
                self._send(ready[0], [opens[n] for n in waiting if n < ready[0]])
            elif waiting:
                self.at = min(opens[n] for n in waiting)

    def _opens(self, n: int) -> datetime:
        window = self.lots[n].window
        return window.next_open(self.at) if window else self.at

    def _expire(self, opens: dict[int, datetime]) -> None:
        """Validity runs from when a lot could first go; what is too late will not go at all."""
        for n, opening in opens.items():
            since = self.eligible[n] = self.eligible[n] or opening
            if max(opening, self.at) >= since + self.lots[n].validity:
                self.expired += self.left[n]
                self.left[n] = 0

    def _send(self, n: int, earlier_open: Sequence[datetime]) -> None:
        """Send of one lot until it is empty, closes, expires or one before it opens."""
        ends = [self._closes(n), *earlier_open]
        since = self.eligible[n]
        if not self.paced and since is not None:
            ends.append(since + self.lots[n].validity)
        until = min((end for end in ends if end is not None), default=None)
        count = self.left[n]
        if until is not None:
            count = min(count, max(1, self.pace.count(until - self.at)))
        last_at = self.at + self.pace.after(count - 1)
        self.stretches.append(Stretch(self.at, last_at, count))
        self.left[n] -= count
        self.at += self.pace.after(count)

    def _closes(self, n: int) -> datetime | None:
        window = self.lots[n].window
        return window.next_close(self.at) if window else None


def forecast(
    lots: Sequence[Lot],
    *,
    pace: Pace | None,
    send_at: datetime,
    per_second: int,
    now: datetime,
) -> Forecast:
    """When the messages of a bulk leave.

    pace:       None: as fast as the sender may go.
    send_at:    not before; for a bulk under way also its next slot.
    per_second: the sender's rate at LINE, which holds for the bulk without a pace.
    now:        aware.
    """
    fastest = Pace(per_second, timedelta(seconds=1), timedelta(0))
    start = max(send_at, now)
    flow = _Flow(lots, pace or fastest, start, paced=pace is not None)
    flow.run()
    return Forecast(flow.stretches, flow.expired, sum(flow.left))


def lots_of(bulk: Bulk) -> Iterator[Lot]:
    """The messages of a bulk that is not accepted yet, rejected ones left out."""
    for part in bulk.objects:
        sent = [at for at in range(len(part.destinations)) if at not in part.rejections]
        if isinstance(part.zones, str):
            by_zone = Counter({part.zones: len(sent)})
        else:
            by_zone = Counter(part.zones[at] for at in sent)
        window = part.window
        for zone, count in sorted(by_zone.items()):
            opening = (
                DeliveryWindow(frozenset(window.days), window.opens, window.closes, ZoneInfo(zone))
                if window
                else None
            )
            if count:
                yield Lot(count, part.validity, opening)
