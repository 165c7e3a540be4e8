"""What one request asks for, after every check and before it has ids."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Bulk", "MessageObject", "Rejection"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one destination cannot be sent to: ids in `status.STATUSES` and `status.ERRORS`."""

    status: int
    error: int


@dataclass(slots=True)
class MessageObject:
    """One message object of the request: content and options, and whom it goes to.

    destinations and client_ids run side by side, in the request's order; `rejections` says by
    position which of them are not sent to. Lists and not one record per destination: a bulk of
    50,000 is taken in one piece.
    line_message: the JSON of the content as LINE takes it, without the recipient.
    endpoint_id:  where reports go; 0 for nowhere.
    delivery_window, sms_failover: JSON, or None.
    """

    sender_id: int
    line_message: str
    destinations: list[str]
    client_ids: list[str | None]
    validity: timedelta
    rejections: dict[int, Rejection] = field(default_factory=dict)
    endpoint_id: int = 0
    templated: bool = False
    entity_id: str | None = None
    application_id: str | None = None
    campaign: str | None = None
    callback_data: str | None = None
    delivery_window: str | None = None
    sms_failover: str | None = None
    intermediate: bool = False


@dataclass(slots=True)
class Bulk:
    """What one request accepts together.

    client_id: the client's own bulkId, or None for a made one.
    """

    account_id: int
    objects: list[MessageObject]
    accepted_at: datetime
    client_id: str | None = None

    @property
    def messages(self) -> int:
        """How many destinations it has, rejected ones included."""
        return sum(len(each.destinations) for each in self.objects)
