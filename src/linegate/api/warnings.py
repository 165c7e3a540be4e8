"""What is odd about a request that will be taken all the same."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from linegate.api.convert import sender_of
from linegate.api.directory import Directory
from linegate.api.registered import unused_placeholders
from linegate.api.schemas import LineMessage, LineRequest, ValidityPeriod
from linegate.api.schemas_content import (
    LineNotification,
    LineNotificationTemplate,
    RegisteredTemplate,
)
from linegate.domain.bulk import Bulk
from linegate.domain.status import STATUSES
from linegate.domain.validity import LONGEST
from linegate.domain.violation import Violation
from linegate.domain.wiretime import parse_instant
from linegate.line.flex_rules import bubble_warnings

__all__ = ["bulk_warnings", "request_warnings"]

_CUT = f"is more than {LONGEST // timedelta(hours=1)} hours and counts as that"
_PAST = "has passed: the messages go at once"
_IGNORED = "is ignored: only a REGISTERED_TEMPLATE has placeholders"


async def request_warnings(
    asked: LineRequest, account_id: int, directory: Directory, now: datetime
) -> list[Violation]:
    """Warnings about what was asked; it may be a broken request with stand-ins."""
    found = list(_time_warnings(asked, now))
    for at, message in enumerate(asked.messages):
        path = f"messages[{at}]"
        found += _validity_warnings(message, path)
        found += await _content_warnings(message, path, account_id, directory, now)
    return found


def bulk_warnings(bulk: Bulk, duplicates: frozenset[int]) -> list[Violation]:
    """Destinations that will be answered REJECTED.

    duplicates: positions in the bulk of messageIds that were used before.
    """
    found = []
    position = 0
    for number, part in enumerate(bulk.objects):
        for at in range(len(part.destinations)):
            place = f"messages[{number}].destinations[{at}]"
            if position in duplicates:
                reason = "was used before: the destination will be rejected"
                found.append(Violation(f"{place}.messageId", reason))
            elif rejection := part.rejections.get(at):
                name = STATUSES[rejection.status].name
                found.append(Violation(f"{place}.to", f"the destination will be {name}"))
            position += 1
    return found


def _time_warnings(asked: LineRequest, now: datetime) -> Iterator[Violation]:
    schedule = asked.options.schedule if asked.options else None
    instant = parse_instant(schedule.send_at) if schedule and schedule.send_at else None
    if instant is not None and instant < now:
        yield Violation("options.schedule.sendAt", _PAST)


def _validity_warnings(message: LineMessage, path: str) -> Iterator[Violation]:
    options = message.options
    if options is None:
        return
    if _is_cut(options.validity_period):
        yield Violation(f"{path}.options.validityPeriod.amount", _CUT)
    if options.sms_failover is not None and _is_cut(options.sms_failover.validity_period):
        yield Violation(f"{path}.options.smsFailover.validityPeriod.amount", _CUT)


def _is_cut(period: ValidityPeriod | None) -> bool:
    seconds = {"SECONDS": 1, "HOURS": 3600}
    return period is not None and (
        period.amount * seconds.get(period.time_unit or "", 60) > LONGEST.total_seconds()
    )


async def _content_warnings(
    message: LineMessage, path: str, account_id: int, directory: Directory, now: datetime
) -> list[Violation]:
    content, place = message.content, f"{path}.content"
    if isinstance(content, RegisteredTemplate):
        return await _registered_warnings(message, content, path, account_id, directory, now)
    found = [
        Violation(f"{path}.destinations[{at}].placeholders", _IGNORED)
        for at, destination in enumerate(message.destinations)
        if destination.placeholders
    ]
    match content:
        case LineNotification():
            found += bubble_warnings(content.contents, f"{place}.contents")
        case LineNotificationTemplate():
            sender = await sender_of(message, path, account_id, directory, now)
            country = None if isinstance(sender, Violation) else sender.line_country
            found += directory.templates.catalogue.unknown_keys(content, country, place)
    return found


async def _registered_warnings(
    message: LineMessage,
    content: RegisteredTemplate,
    path: str,
    account_id: int,
    directory: Directory,
    now: datetime,
) -> list[Violation]:
    sender = await sender_of(message, path, account_id, directory, now)
    if isinstance(sender, Violation):
        return []
    chosen = await directory.templates.choose(
        sender.id, content.template_name, content.language, f"{path}.content", now
    )
    if isinstance(chosen, Violation):
        return []
    return unused_placeholders(content, message.destinations, chosen.template, path)
