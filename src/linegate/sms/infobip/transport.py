"""Infobip's SMS API as a transport. Source: published operation send-sms-messages."""

from dataclasses import dataclass, field
from math import ceil

from linegate.clock import Clock
from linegate.domain.outcome import Outcome
from linegate.domain.transport import Submission, Submitted
from linegate.sms.http import Answer
from linegate.sms.http_transport import HttpTransport
from linegate.sms.infobip.answers import submitted_of
from linegate.sms.segments import count_parts

__all__ = ["InfobipOptions", "InfobipTransport"]

_PATH = "/sms/3/messages"


@dataclass(frozen=True, slots=True)
class InfobipOptions:
    """base_url: scheme and host; key: an API key; throughput: messages a second, 0: no limit."""

    base_url: str
    key: str = field(repr=False)
    throughput: float = 0


class InfobipTransport(HttpTransport):
    """One route. Our message id is the provider's too, so that it takes a message once only."""

    def __init__(self, options: InfobipOptions, clock: Clock, *, callback_url: str) -> None:
        super().__init__(options.throughput, clock, callback_url=callback_url)
        self._options = options

    async def _post(self, submission: Submission) -> Answer | Outcome:
        return await self._sender.post(
            self._options.base_url + _PATH,
            headers={"Authorization": f"App {self._options.key}", "Accept": "application/json"},
            json=self._body(submission),
        )

    def _read(self, answer: Answer | Outcome, submission: Submission) -> Submitted:
        return submitted_of(
            answer, parts=count_parts(submission.text), final=not self._callback_url
        )

    def _body(self, submission: Submission) -> dict[str, object]:
        seconds = ceil(submission.validity.total_seconds())
        options: dict[str, object] = {
            "validityPeriod": {"amount": max(1, seconds), "timeUnit": "SECONDS"}
        }
        if submission.regional:
            options["regional"] = dict(submission.regional)
        message: dict[str, object] = {
            "sender": submission.sender,
            "destinations": [{"to": submission.destination, "messageId": submission.reference}],
            "content": {"text": submission.text},
            "options": options,
        }
        if self._callback_url:
            message["webhooks"] = {
                "delivery": {"url": self._callback_url},
                "contentType": "application/json",
                "callbackData": submission.reference,
            }
        return {"messages": [message], "options": {"includeSmsCountInResponse": True}}
