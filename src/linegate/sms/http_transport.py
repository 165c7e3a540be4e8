"""What makes an HTTP provider a transport: when it is up, how fast it goes, one SMS at a turn."""

from abc import ABC, abstractmethod

from linegate.clock import Clock
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.transport import Submission, Submitted
from linegate.sms.http import Answer, HttpSender
from linegate.sms.pace import Pace

__all__ = ["HttpTransport"]

_DOWN_AFTER = 5  # failures in a row


class HttpTransport(ABC):
    """One route: a provider says how an SMS is posted and what its answer means.

    Up until the provider has refused the account or failed five times in a row; a route that is
    down still takes one submission at a time, whose success brings it up again.
    """

    def __init__(self, throughput: float, clock: Clock, *, callback_url: str) -> None:
        """throughput: messages a second, 0: no limit. callback_url: where reports shall go; empty:
        none are asked for.
        """
        self._sender = HttpSender()
        self._callback_url = callback_url
        self._clock = clock
        self._pace = Pace(throughput)
        self._failures = 0
        self._refused = False
        self._trouble = ""

    @abstractmethod
    async def _post(self, submission: Submission) -> Answer | Outcome:
        """Ask the provider once."""

    @abstractmethod
    def _read(self, answer: Answer | Outcome, submission: Submission) -> Submitted:
        """What the answer says of the one SMS."""

    @property
    def is_up(self) -> bool:
        """Whether a submission has a chance."""
        return self._sender.is_open and not self._refused and self._failures < _DOWN_AFTER

    @property
    def trouble(self) -> str:
        """Why it is not up."""
        return "" if self.is_up else self._trouble or "not open yet"

    def places(self) -> int:
        """How many submissions it takes now: free connections, as far as the pace allows."""
        if not self._sender.is_open:
            return 0
        most = self._sender.window if self.is_up else 1
        return self._pace.places(max(0, most - self._sender.under_way), self._clock.now())

    async def run(self) -> None:
        """Hold the connections until cancelled."""
        await self._sender.stay_open()

    async def submit(self, submission: Submission) -> Submitted:
        """Hand one SMS over when its turn has come; the provider cuts it into parts."""
        await self._clock.sleep_until(self._pace.turn(self._clock.now()))
        submitted = self._read(await self._post(submission), submission)
        self._learn(submitted.outcome)
        return submitted

    def _learn(self, outcome: Outcome) -> None:
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
