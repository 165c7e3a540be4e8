"""What carries an SMS: one protocol for every provider, and the values it speaks in.

A transport is handed a `Submission` and tells what became of it as a value; what becomes of the
message later comes back as `Receipt`s. It decides nothing: `decide.py` does.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from linegate.domain.ids import public_id
from linegate.domain.outcome import Outcome

__all__ = ["OnReceipts", "Price", "Receipt", "Submission", "Submitted", "Transport"]


@dataclass(frozen=True, slots=True)
class Submission:
    """One SMS to hand over.

    message_id:  ours, the same for each attempt: providers that know it refuse a second one, and a
                 phone that gets a part twice still shows one text.
    reference:   the same as 16 hex digits; providers that carry it give it back.
    sender:      a number's digits, a short code or a name.
    destination: digits with the country code.
    validity:    how much longer the SMS is worth delivering.
    regional:    what the laws of some countries want, as the request gave it.
    """

    message_id: int
    sender: str
    destination: str
    text: str
    validity: timedelta
    regional: Mapping[str, object] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The message id as providers carry it."""
        return public_id(self.message_id)


@dataclass(frozen=True, slots=True)
class Price:
    """What a message cost, as the provider says."""

    amount: float
    currency: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission.

    outcome: SMS answers use the kinds accepted, unsent, unknown, slowed, unauthorised and refused.
    ids:     the provider's ids of its parts, each in the form that `Receipt.ids` is looked up by;
             fewer than `parts` where some had no answer.
    parts:   how many SMS the text takes.
    final:   the provider will never tell more, so hand-over is the end.
    """

    outcome: Outcome
    ids: tuple[str, ...] = ()
    parts: int = 1
    final: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider says has become of one part (SMPP) or of the whole message.

    ids:         the forms in which its id may have been given at hand-over, the likeliest first.
    destination: digits, to tell apart ids that are used again.
    status, error: ids in `status.py`; status 3 for "still on its way".
    reference:   ours, where the provider carries it; "" where it does not.
    detail:      the provider's own words, shortened.
    done_at:     when, as the provider says; None if it does not.
    """

    ids: tuple[str, ...]
    destination: str
    status: int
    error: int
    reference: str = ""
    detail: str = ""
    done_at: datetime | None = None
    parts: int | None = None
    price: Price | None = None
    mcc_mnc: str | None = None

    @property
    def delivered(self) -> bool:
        """The phone has it, or the provider says that nobody will know better."""
        return self.status in (2, 5)

    @property
    def pending(self) -> bool:
        """Nothing is decided yet."""
        return self.status in (3, 7, 26)


# Takes receipts and returns True when they are on disk; False: the provider shall repeat them.
OnReceipts = Callable[[list[Receipt]], Awaitable[bool]]


class Transport(Protocol):
    """One route's connection to its provider. Made closed; `run` keeps it open until cancelled."""

    @property
    def is_up(self) -> bool:
        """Whether a submission has a chance now."""
        ...

    @property
    def trouble(self) -> str:
        """Why it is not up, in the provider's words; "" if it is or nothing is known."""
        ...

    def places(self) -> int:
        """How many submissions it takes now without making them wait."""
        ...

    async def run(self) -> None:
        """Connect, keep the connection and renew it, until cancelled."""
        ...

    async def submit(self, submission: Submission) -> Submitted:
        """Hand one SMS over. Never raises for the provider's part.

        Cancelled: the outcome is unknown, and the caller must record it so.
        """
        ...
