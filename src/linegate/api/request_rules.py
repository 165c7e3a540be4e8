"""What can be wrong with a well-formed request: values that do not go together, or with the time.

All rules report every violation. The decoder has checked types, lengths and
words before; rules that need the database (senders, bulkIds, templates, routes)
belong to the accept stage.

Source: docs/reference/content.md (limits of the request).
"""

from datetime import datetime, timedelta
from typing import assert_never
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from linegate.api.schemas import (
    DeliveryTimeWindow,
    LineMessage,
    LineRequest,
    Schedule,
    ValidityPeriod,
)
from linegate.api.schemas_content import (
    Content,
    LineNotification,
    LineNotificationTemplate,
    RegisteredTemplate,
)
from linegate.domain.violation import Violation
from linegate.domain.wiretime import parse_instant
from linegate.line.flex_rules import bubble_violations
from linegate.line.template import template_violations

__all__ = ["RECIPIENT", "check_request"]

RECIPIENT = "RECIPIENT"
"""The `timeZone` that stands for the zone of each destination's country."""

_SEND_AHEAD = timedelta(days=180)
_SHORTEST_VALIDITY = 10  # seconds
_SHORTEST_WINDOW = 60  # minutes
_SECONDS_OF = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, None: 60}


def check_request(
    request: LineRequest, now: datetime, *, needs_sender: bool = True
) -> list[Violation]:
    """Everything wrong with a decoded request; empty if nothing.

    now:          aware; `sendAt` is measured from it.
    needs_sender: False for accounts with a default sender.
    """
    found: list[Violation] = []
    if request.options is not None and request.options.schedule is not None:
        _check_schedule(request.options.schedule, "options.schedule", now, found)
    for index, message in enumerate(request.messages):
        path = f"messages[{index}]"
        if message.sender is None and needs_sender:
            found.append(Violation(f"{path}.sender", "is required"))
        found += _content_violations(message.content, f"{path}.content")
        if message.options is not None or message.webhooks is not None:
            _check_options(message, path, found)
    return found


def _content_violations(content: Content, path: str) -> list[Violation]:
    match content:
        case LineNotification():
            return bubble_violations(content.contents, f"{path}.contents")
        case LineNotificationTemplate():
            return template_violations(content, path)
        case RegisteredTemplate():
            return []  # what it must contain is known where templates are stored
        case _:
            assert_never(content)


def _check_schedule(schedule: Schedule, path: str, now: datetime, found: list[Violation]) -> None:
    if schedule.send_at is None:
        return
    place = f"{path}.{'SendAt' if schedule.send_at is schedule.send_at_page else 'sendAt'}"
    instant = parse_instant(schedule.send_at)
    if instant is None:
        reason = "must be a date and time with an offset, like 2026-01-31T09:00:00.000+0000"
        found.append(Violation(place, reason))
    elif instant - now > _SEND_AHEAD:
        found.append(Violation(place, f"must be at most {_SEND_AHEAD.days} days ahead"))


def _check_options(message: LineMessage, path: str, found: list[Violation]) -> None:
    if options := message.options:
        place = f"{path}.options"
        if options.validity_period is not None:
            _check_validity(options.validity_period, f"{place}.validityPeriod", found)
        if options.delivery_time_window is not None:
            _check_window(options.delivery_time_window, f"{place}.deliveryTimeWindow", found)
        if options.sms_failover is not None and options.sms_failover.validity_period is not None:
            period = options.sms_failover.validity_period
            _check_validity(period, f"{place}.smsFailover.validityPeriod", found)
    if message.webhooks is not None and message.webhooks.delivery is not None:
        url = message.webhooks.delivery.url
        if url is not None and not _is_callable(url):
            reason = "must be a URL with a valid host and port"
            found.append(Violation(f"{path}.webhooks.delivery.url", reason))


def _check_validity(period: ValidityPeriod, path: str, found: list[Violation]) -> None:
    """At least ten seconds; what is longer than 48 hours is cut to that, so no upper limit."""
    if period.amount * _SECONDS_OF[period.time_unit] < _SHORTEST_VALIDITY:
        reason = f"must make up at least {_SHORTEST_VALIDITY} seconds"
        found.append(Violation(f"{path}.amount", reason))


def _check_window(window: DeliveryTimeWindow, path: str, found: list[Violation]) -> None:
    """Both ends or neither, an hour apart at least; `to` before `from` wraps past midnight."""
    start, end = window.from_, window.to
    if (start is None) != (end is None):
        name, other = ("from", "to") if start is None else ("to", "from")
        found.append(Violation(f"{path}.{name}", f"must be given together with {other}"))
    elif start is not None and end is not None:
        minutes = (end.hour - start.hour) * 60 + end.minute - start.minute
        if minutes % (24 * 60) < _SHORTEST_WINDOW:
            reason = "must be at least one hour after from (past midnight if it is earlier)"
            found.append(Violation(f"{path}.to", reason))
    if window.time_zone is not None and not _is_zone(window.time_zone):
        reason = f"must be an IANA time zone like Asia/Tokyo, or {RECIPIENT}"
        found.append(Violation(f"{path}.timeZone", reason))


def _is_zone(name: str) -> bool:
    if name == RECIPIENT:
        return True
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; a path; a folder
        return False
    return True


def _is_callable(url: str) -> bool:
    """True if the parts of a URL make sense; where it may lead is checked when it is called."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
