"""What happens next to a message in its SMS leg: the second half of `decide.py`.

    due ──claim──> sending ──accepted──> sent ──receipts──> done
     ^                │                   └──validity over──> done (29)
     └──SmsAgain──────┴── unanswered: once more, then done (29)

LINE's delivery event ends a message here too, in every state: the first success counts. The same
rules as there: values and `now` in, a step out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.domain.decide import Finish
from linegate.domain.outcome import OutcomeKind
from linegate.domain.retry import send_delay
from linegate.domain.transport import Submitted

__all__ = [
    "RECEIPT_GRACE",
    "PartState",
    "SmsAgain",
    "SmsSent",
    "SmsStep",
    "SmsUnfinished",
    "after_lost_lease",
    "after_receipts",
    "after_silence",
    "after_sms_deadline",
    "after_submit",
    "start_sms",
    "when_sms_closed",
    "when_sms_late",
]

RECEIPT_GRACE = timedelta(minutes=1)
"""How much longer than its validity an SMS is waited for: the provider's "expired" comes then."""

_UNANSWERED = Finish(29, 502)
_SILENT = Finish(29, 4101)
_EXPIRED_BEFORE = Finish(15, 4100)
_EXPIRED_AFTER = Finish(15, 4101)
_TAKEN = Finish(2, 0)  # handed over to a provider that will tell no more


@dataclass(frozen=True, slots=True)
class SmsUnfinished:
    """What must be known of an SMS leg to decide about it. route_id: None while none takes it."""

    id: int
    attempt: int
    unknowns: int
    failures: int
    deadline_at: datetime
    route_id: int | None


@dataclass(frozen=True, slots=True)
class SmsSent:
    """Handed over: wait for receipts until then."""

    until: datetime
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class SmsAgain:
    """Back to due, not before `at`."""

    at: datetime
    failures: int
    unknowns: int


SmsStep = SmsSent | SmsAgain | Finish


@dataclass(frozen=True, slots=True)
class PartState:
    """What the newest receipt of one part says; status None: none came yet."""

    status: int | None
    error: int


def start_sms(
    validity: timedelta, opens_at: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """When the SMS may go and when its validity ends.

    opens_at: when the window opens, if it is closed now: validity begins with it.
    """
    begins = opens_at or now
    return begins, begins + validity


def after_submit(
    leg: SmsUnfinished, submitted: Submitted, now: datetime, *, resends: int, spread: float
) -> SmsStep:
    """What to do after a provider's answer.

    resends: how often an unanswered submit is repeated; spread: -1 to 1, the jitter of a back-off.
    """
    match submitted.outcome.kind:
        case OutcomeKind.ACCEPTED:
            if submitted.final:
                return _TAKEN
            return SmsSent(leg.deadline_at + RECEIPT_GRACE, now)
        case OutcomeKind.UNKNOWN:
            return _unanswered(leg, now, resends)
        case OutcomeKind.UNSENT | OutcomeKind.SLOWED | OutcomeKind.UNAUTHORISED:
            failures = leg.failures + 1
            return SmsAgain(now + send_delay(failures, spread), failures, leg.unknowns)
        case OutcomeKind.REFUSED | OutcomeKind.FORBIDDEN | OutcomeKind.MONTHLY_LIMIT:
            return Finish(submitted.outcome.status, submitted.outcome.error)


def when_sms_closed(leg: SmsUnfinished, opens_at: datetime) -> SmsStep:
    """What to do with an SMS whose window has closed before its attempt: wait for the next."""
    return SmsAgain(opens_at, leg.failures, leg.unknowns)


def when_sms_late(leg: SmsUnfinished, now: datetime) -> SmsStep:
    """What to do with a claimed SMS that was not begun in time: it is surely unsent."""
    return SmsAgain(now, leg.failures, leg.unknowns)


def after_lost_lease(leg: SmsUnfinished, now: datetime, *, resends: int) -> SmsStep:
    """What to do when a worker died between claim and settle: nobody knows if it went out."""
    return _unanswered(leg, now, resends)


def after_sms_deadline(leg: SmsUnfinished) -> Finish:
    """How a message ends whose SMS could not go within its validity."""
    return _EXPIRED_AFTER if leg.unknowns else _EXPIRED_BEFORE


def after_silence() -> Finish:
    """How a message ends whose SMS was handed over and got no receipt."""
    return _SILENT


def after_receipts(parts: Sequence[PartState]) -> Finish | None:
    """How a message ends by what is known of its parts; None while it is open.

    Delivered when every part is; a part that failed ends it, since the text cannot be read without.
    """
    for part in parts:
        if part.status is not None and part.status not in _ON_ITS_WAY + _DELIVERED:
            return Finish(part.status, part.error)
    if not parts or any(part.status not in _DELIVERED for part in parts):
        return None
    return Finish(min(part.status or 5 for part in parts), 0)


_ON_ITS_WAY = (3, 7, 26)
_DELIVERED = (2, 5)


def _unanswered(leg: SmsUnfinished, now: datetime, resends: int) -> SmsStep:
    unknowns = leg.unknowns + 1
    return SmsAgain(now, leg.failures, unknowns) if unknowns <= resends else _UNANSWERED
