"""Twilio's Messages API as a transport. Source: Twilio's reference, "Create a Message"."""

import base64
from dataclasses import dataclass, field
from math import ceil

from linegate.clock import Clock
from linegate.domain.outcome import Outcome
from linegate.domain.transport import Submission, Submitted
from linegate.sms.http import Answer
from linegate.sms.http_transport import HttpTransport
from linegate.sms.segments import count_parts
from linegate.sms.twilio.answers import submitted_of

__all__ = ["TwilioOptions", "TwilioTransport"]

_LONGEST_VALIDITY = 36_000  # seconds


@dataclass(frozen=True, slots=True)
class TwilioOptions:
    """base_url: scheme and host; sid and token: of the account; throughput: messages a second."""

    base_url: str
    sid: str
    token: str = field(repr=False)
    throughput: float = 0


class TwilioTransport(HttpTransport):
    """One route. Twilio has no id of ours, so a repeated message is sent twice; and it takes no
    regional options.
    """

    def __init__(self, options: TwilioOptions, clock: Clock, *, callback_url: str) -> None:
        super().__init__(options.throughput, clock, callback_url=callback_url)
        self._url = f"{options.base_url}/2010-04-01/Accounts/{options.sid}/Messages.json"
        basic = base64.b64encode(f"{options.sid}:{options.token}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}

    async def _post(self, submission: Submission) -> Answer | Outcome:
        seconds = ceil(submission.validity.total_seconds())
        sender = submission.sender
        form = {
            "To": f"+{submission.destination}",
            "From": f"+{sender}" if sender.isdigit() and len(sender) > 6 else sender,
            "Body": submission.text,
            "ValidityPeriod": str(min(max(1, seconds), _LONGEST_VALIDITY)),
        }
        if self._callback_url:
            form["StatusCallback"] = f"{self._callback_url}?ref={submission.reference}"
        return await self._sender.post(self._url, headers=self._headers, data=form)

    def _read(self, answer: Answer | Outcome, submission: Submission) -> Submitted:
        return submitted_of(
            answer, parts=count_parts(submission.text), final=not self._callback_url
        )
