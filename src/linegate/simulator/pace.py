"""How fast requests come: LINE's token bucket, and what was seen."""

from collections import deque

__all__ = ["BusiestSecond", "TokenBucket"]


class TokenBucket:
    """LINE's rate limit for one channel and one endpoint.

    rate: tokens a second, and how many the bucket holds; 0 = no limit.
    Source: LINE reference, "Rate limits": counted per channel and endpoint (FACTS A1.1).
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens = rate
        self._filled_at = 0.0

    def take(self, at: float) -> bool:
        """Take a token; False when there is none. `at`: seconds of a steady clock."""
        if self.rate <= 0:
            return True
        filled = self._tokens + (at - self._filled_at) * self.rate
        self._tokens = min(filled, self.rate)
        self._filled_at = at
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class BusiestSecond:
    """The most arrivals in any span of one second, and the latest arrivals themselves.

    remembered: how many arrival times are kept.
    """

    def __init__(self, remembered: int) -> None:
        self.most = 0
        self.latest: deque[float] = deque(maxlen=remembered)
        self._second: deque[float] = deque()

    def arrive(self, at: float) -> None:
        """Note one arrival, in seconds of a steady clock; calls come in order."""
        self.latest.append(at)
        second = self._second
        second.append(at)
        while second[0] <= at - 1.0:
            second.popleft()
        self.most = max(self.most, len(second))
