"""What the SMS of a message object say, as requests stored it."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec

__all__ = ["SmsText", "read_sms"]


class SmsText(msgspec.Struct, frozen=True):
    """text and options of `smsFailover`. validity: seconds; sender None: the route's own."""

    text: str
    validity: int
    sender: str | None = None
    regional: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def valid_for(self) -> timedelta:
        """How long the SMS is worth delivering."""
        return timedelta(seconds=self.validity)


@lru_cache(maxsize=1024)
def read_sms(text: str) -> SmsText:
    """The SMS behind `message_object.sms_failover`."""
    return msgspec.json.decode(text, type=SmsText)
