"""What one attempt told us, as a value: a failed send is never an exception.

Adapters translate what the other side said into an `Outcome` by a table
(`line/answers.py`); `decide.py` alone says what happens next. This file does
not know HTTP, SMPP or LINE.
"""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Outcome", "OutcomeKind"]


class OutcomeKind(Enum):
    """The only things that can have become of one attempt."""

    ACCEPTED = "accepted"  # handed over; a delivery event may follow
    UNSENT = "unsent"  # surely not processed (no connection): try again
    UNKNOWN = "unknown"  # may have been processed (time-out, 5xx): wait, then resend
    SLOWED = "slowed"  # rate limit: slow this sender down and try again
    MONTHLY_LIMIT = "monthly_limit"  # no quota left: final here, alarm on the sender
    UNAUTHORISED = "unauthorised"  # the token is bad, also after one renewal
    FORBIDDEN = "forbidden"  # the account may not use this API: final here
    REFUSED = "refused"  # this message, to this number, will never be taken: final here


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt's result.

    error:       id in `status.ERRORS` that says why; 0 when accepted.
    status:      id in `status.STATUSES` the message ends with if nothing else can be tried;
                 0 where the outcome itself ends nothing.
    code:        the other side's own code, for the time line (an HTTP status; 0 if none came).
    request_id:  the other side's id of the request, to quote in a support case.
    detail:      the other side's words, shortened, without numbers or content.
    """

    kind: OutcomeKind
    error: int = 0
    status: int = 0
    code: int = 0
    request_id: str = ""
    detail: str = ""
