"""What one request asks for, after every check and before it has ids."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from linegate.domain.pace import Pace
from linegate.domain.trace import Trace

__all__ = ["DUE_AT_ONCE", "Bulk", "MessageObject", "Rejection", "Schedule", "Window"]

DUE_AT_ONCE = 1000
"""Messages of a bulk that become due without the shaper; larger ones have a row to steer them."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one destination cannot be sent to: ids in `status.STATUSES` and `status.ERRORS`."""

    status: int
    error: int


@dataclass(frozen=True, slots=True)
class Window:
    """A delivery window as asked for: ISO weekdays, minutes after midnight (None: all day)."""

    days: tuple[int, ...]
    opens: int | None
    closes: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When and how fast a bulk goes; None: at once, as fast as LINE takes it."""

    send_at: datetime | None = None
    pace: Pace | None = None


@dataclass(slots=True)
class MessageObject:
    """One message object of the request: content and options, and whom it goes to.

    destinations and client_ids run side by side, in the request's order; `rejections` says by
    position which of them are not sent to. Lists and not one record per destination: a bulk of
    50,000 is taken in one piece.
    line_message: the JSON of the content as LINE takes it, without the recipient.
    endpoint_id:  where reports go; 0 for nowhere.
    window:       when its messages may arrive, or None for always.
    zones:        the window's time zone (IANA name), by position where destinations differ.
    sms_failover: JSON, or None.
    placeholders: by position what fills the `{{name}}`s of line_message, JSON objects of texts;
                  None where all get the same.
    template_version: of the registered template it was made from; 0 for none.
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
    window: Window | None = None
    zones: str | list[str] = "UTC"
    sms_failover: str | None = None
    intermediate: bool = False
    placeholders: list[str | None] | None = None
    template_version: int = 0


@dataclass(slots=True)
class Bulk:
    """What one request accepts together.

    client_id: the client's own bulkId, or None for a made one.
    trace:     of the request, if it is traced.
    """

    account_id: int
    objects: list[MessageObject]
    accepted_at: datetime
    client_id: str | None = None
    schedule: Schedule = Schedule()
    trace: Trace | None = None

    @property
    def messages(self) -> int:
        """How many destinations it has, rejected ones included."""
        return sum(len(each.destinations) for each in self.objects)

    @property
    def waits(self) -> bool:
        """Whether its messages wait for the shaper rather than being due when accepted.

        What is scheduled does; and what is too large to be steered otherwise.
        """
        return self.is_scheduled or self.messages > DUE_AT_ONCE

    @property
    def is_scheduled(self) -> bool:
        """Whether it has a time to come, a pace or a window."""
        at = self.schedule.send_at
        return (
            (at is not None and at > self.accepted_at)
            or self.schedule.pace is not None
            or any(each.window is not None for each in self.objects)
        )
