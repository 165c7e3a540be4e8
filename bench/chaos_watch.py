"""What a fault did to those who had nothing to do with it: their rate, their times, the memory."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from processes import Group, memory

__all__ = ["Arrivals", "Memory", "Span", "percentile"]

_EVERY = 1.0


@dataclass(slots=True)
class Arrivals:
    """When the requests of one channel reached LINE, by the steady clock, in order."""

    times: list[float] = field(default_factory=list)

    def add(self, latest: Sequence[float]) -> None:
        """Take those that are new of the latest ones."""
        last = self.times[-1] if self.times else float("-inf")
        self.times += [at for at in latest if at > last]

    def rate(self, span: "Span") -> float:
        """Requests a second within the span."""
        found = bisect_left(self.times, span.end) - bisect_left(self.times, span.begin)
        return found / max(span.seconds, 1e-9)

    def delays(self, sent: Sequence[float], span: "Span") -> list[float]:
        """How long what was sent within the span took to LINE, sorted.

        sent: when all messages of the channel were sent. The n-th sent is paired with the n-th that
        arrived, so a delay is exact as far as they do not overtake each other.
        """
        ordered = sorted(sent)
        first, last = bisect_left(ordered, span.begin), bisect_left(ordered, span.end)
        pairs = zip(ordered[first:last], self.times[first:last], strict=False)
        return sorted(arrived - began for began, arrived in pairs)


@dataclass(frozen=True, slots=True)
class Span:
    """From begin until end, of the steady clock."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of sorted values; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Memory:
    """Megabytes of each group of processes, once a second; what is shared counts once."""

    def __init__(self, groups: dict[str, Group]) -> None:
        """Watch these."""
        self._groups = groups
        self._samples: list[tuple[float, dict[str, float]]] = []

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            found = {
                name: sum(memory(pid) for pid in group()) / 1e6
                for name, group in self._groups.items()
            }
            self._samples.append((time.monotonic(), found))
            await asyncio.sleep(_EVERY)

    def most(self, name: str, span: Span) -> float:
        """The highest sample of the span; 0 without any."""
        return max(self._of(name, span), default=0.0)

    def growth(self, name: str, span: Span) -> float:
        """By how much the middle of the last third is above that of the first third."""
        found = self._of(name, span)
        third = len(found) // 3
        if third == 0:
            return 0.0
        first, last = sorted(found[:third]), sorted(found[-third:])
        return last[third // 2] - first[third // 2]

    def _of(self, name: str, span: Span) -> list[float]:
        return [mb[name] for at, mb in self._samples if span.begin <= at < span.end]
