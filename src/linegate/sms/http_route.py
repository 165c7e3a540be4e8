"""What makes an HTTP provider a transport: when it is up, how fast it goes."""

from linegate.clock import Clock
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.sms.http import HttpSender
from linegate.sms.pace import Pace

__all__ = ["HttpRoute"]

_DOWN_AFTER = 5  # failures in a row


class HttpRoute:
    """Up until the provider has refused the account or failed five times in a row; a route that is
    down still takes one submission at a time, whose success brings it up again.
    """

    def __init__(self, throughput: float, clock: Clock) -> None:
        self.sender = HttpSender()
        self._clock = clock
        self._pace = Pace(throughput)
        self._failures = 0
        self._refused = False
        self._trouble = ""

    @property
    def is_up(self) -> bool:
        """Whether a submission has a chance."""
        return self.sender.is_open and not self._refused and self._failures < _DOWN_AFTER

    @property
    def trouble(self) -> str:
        """Why it is not up."""
        return "" if self.is_up else self._trouble or "not open yet"

    def places(self) -> int:
        """Free connections, as far as the pace allows."""
        if not self.sender.is_open:
            return 0
        most = self.sender.window if self.is_up else 1
        return self._pace.places(max(0, most - self.sender.under_way), self._clock.now())

    async def turn(self) -> None:
        """Wait for the next turn."""
        await self._clock.sleep_until(self._pace.turn(self._clock.now()))

    def learn(self, outcome: Outcome) -> None:
        """Take an answer into account."""
        kind = outcome.kind
        self._refused = kind is OutcomeKind.UNAUTHORISED
        if kind is OutcomeKind.SLOWED:
            self._pace.slow(self._clock.now())
        elif kind in (OutcomeKind.UNSENT, OutcomeKind.UNKNOWN):
            self._failures += 1
        else:
            self._failures = 0
            self._pace.went_well()
        self._trouble = outcome.detail
