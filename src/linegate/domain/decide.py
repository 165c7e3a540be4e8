"""THE HEART: what happens next to a message. Every change of its state is decided here.

    due ──claim──> sending ──accepted──> sent ──event──> done (delivered)
     ^                │                   └──silence──> done (expired)
     ├──TryAgain──────┤
     └──────────── unknown <── time-out, 5xx, a worker that died
                       └──event──> done; patience over: resend, or done (expired)

Where the message has an SMS for it, what would be its end here is a `FailOver`, and
`decide_sms.py` goes on.

Rules of this file: it takes values and `now` and gives a `Step`; it writes nothing
(`dispatch/settle.py` does), reads no clock, and knows neither HTTP nor SQL.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from linegate.domain.hearing import HELD_FOR
from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.retry import send_delay

__all__ = [
    "CANCELLED",
    "DELIVERED",
    "ENROUTE",
    "EXPIRED_WAITING",
    "FailOver",
    "Finish",
    "Patience",
    "State",
    "Step",
    "TryAgain",
    "Unfinished",
    "WaitForEvent",
    "after_attempt",
    "after_broken",
    "after_deadline",
    "after_patience",
    "when_closed",
    "when_late",
]


class State(Enum):
    """What the queue row of an unfinished message waits for."""

    DUE_ALONE = "due_alone"
    DUE_PACED = "due_paced"
    DUE_BULK = "due_bulk"
    TURN = "turn"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What must be known of a message to decide about it.

    fails_over: its client gave an SMS for it.
    deaf:       no event of its sender reaches us, so silence says nothing (`hearing.py`).
    """

    id: int
    attempt: int
    unknowns: int
    failures: int
    deadline_at: datetime
    sent_at: datetime | None
    fails_over: bool = False
    deaf: bool = False


@dataclass(frozen=True, slots=True)
class WaitForEvent:
    """Handed over, surely (`sent`) or perhaps (`unknown`): wait for LINE's delivery event."""

    state: State
    until: datetime
    sent_at: datetime
    unknowns: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Back to due, not before `at`."""

    at: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The end: status and error of the final report."""

    status: int
    error: int


@dataclass(frozen=True, slots=True)
class FailOver:
    """LINE did not reach the recipient: on to the SMS leg. line_end: how the LINE leg ended."""

    line_end: Finish


Step = WaitForEvent | TryAgain | Finish | FailOver


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is borne.

    resend_after: how long an unknown outcome waits for its event before it is sent again;
                  zero: it never is.
    resend_limit: how many times at the most.
    silence:      after a hand-over, how long until the message counts as not delivered.
                  Source: LINE gives up after 24 h (FACTS A3.2).
    """

    resend_after: timedelta = timedelta(seconds=120)
    resend_limit: int = 1
    silence: timedelta = timedelta(hours=24)


# An event for any attempt settles a message, in whatever state it is.
DELIVERED = Finish(5, 0)
ENROUTE = 7  # handed over: the status of an intermediate report
CANCELLED = Finish(31, 4100)
EXPIRED_WAITING = Finish(15, 4100)

_EXPIRED_BEFORE = Finish(15, 4100)
_EXPIRED_AFTER = Finish(15, 4101)
_SILENT = Finish(29, 4101)
_UNAUTHORISED = Finish(4, 7004)


def after_attempt(
    message: Unfinished, outcome: Outcome, now: datetime, patience: Patience, spread: float
) -> Step:
    """What to do after one attempt's outcome.

    spread: -1 to 1, the jitter of a back-off.
    """
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            until = min(message.deadline_at, now + patience.silence)
            return WaitForEvent(State.SENT, until, message.sent_at or now, message.unknowns)
        case OutcomeKind.UNKNOWN:
            return _unknown(message, now, patience)
        case OutcomeKind.UNSENT | OutcomeKind.SLOWED:
            failures = message.failures + 1
            return TryAgain(now + send_delay(failures, spread), failures)
        case OutcomeKind.UNAUTHORISED:  # the sender is held; the message is not at fault
            return TryAgain(now, message.failures)
        case OutcomeKind.MONTHLY_LIMIT | OutcomeKind.FORBIDDEN | OutcomeKind.REFUSED:
            return _end(message, Finish(outcome.status, outcome.error))


def after_patience(message: Unfinished, state: State, now: datetime, patience: Patience) -> Step:
    """What to do when a `sending`, `sent` or `unknown` message has waited long enough.

    A lease that ran out means that its worker died between claim and settle: whether the request
    went out nobody knows.
    """
    if state is State.SENDING:
        return _unknown(message, now, patience)
    is_over = message.deadline_at <= now
    if not is_over and state is State.UNKNOWN and _may_resend(message.unknowns, patience):
        return TryAgain(now, message.failures)
    if message.fails_over and message.deaf:
        return WaitForEvent(state, now + HELD_FOR, message.sent_at or now, message.unknowns)
    return _end(message, _EXPIRED_AFTER if is_over else _SILENT)


def after_broken(message: Unfinished) -> Step:
    """What to do with a due message whose sender LINE has refused for five minutes (decision 7)."""
    return _end(message, _UNAUTHORISED)


def when_closed(message: Unfinished, opens_at: datetime) -> Step:
    """What to do with a message whose window has closed before its attempt: wait for the next."""
    return TryAgain(opens_at, message.failures)


def when_late(message: Unfinished, now: datetime) -> Step:
    """What to do with a claimed message that was not begun in time: it is surely unsent."""
    return TryAgain(now, message.failures)


def after_deadline(message: Unfinished) -> Step:
    """What to do with a message whose validity ran out while it was due."""
    handed_over = message.sent_at is not None or message.unknowns > 0
    return _end(message, _EXPIRED_AFTER if handed_over else _EXPIRED_BEFORE)


def _end(message: Unfinished, end: Finish) -> Finish | FailOver:
    return FailOver(end) if message.fails_over else end


def _unknown(message: Unfinished, now: datetime, patience: Patience) -> Step:
    unknowns = message.unknowns + 1
    if _may_resend(unknowns, patience):
        wait = patience.resend_after * 2 ** (unknowns - 1)
    else:
        wait = patience.silence
    until = min(message.deadline_at, now + wait)
    return WaitForEvent(State.UNKNOWN, until, message.sent_at or now, unknowns)


def _may_resend(unknowns: int, patience: Patience) -> bool:
    return patience.resend_after > timedelta(0) and unknowns <= patience.resend_limit
