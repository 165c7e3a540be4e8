"""From the wire to a bulk: senders looked up, content rendered, numbers checked.

What is wrong with a message as a whole is a violation and refuses the request; what is wrong with
one destination rejects that destination alone.
"""

from datetime import datetime, timedelta

from linegate.api.directory import Directory
from linegate.api.schemas import LineMessage, LineRequest, ValidityPeriod, Webhooks
from linegate.api.schemas_content import LineNotification, LineNotificationTemplate
from linegate.domain.bulk import Bulk, MessageObject, Rejection
from linegate.domain.phone import normalise
from linegate.domain.validity import LONGEST, validity_of
from linegate.domain.violation import Violation
from linegate.line.flex import render_bubble
from linegate.line.template import render_template
from linegate.phones.countries import country_of

__all__ = ["to_bulk"]

_BAD_NUMBER = Rejection(52, 351)
_COUNTRY_NOT_SERVED = Rejection(6, 352)


async def to_bulk(
    request: LineRequest, account_id: int, directory: Directory, now: datetime
) -> Bulk | list[Violation]:
    """The bulk that a request without violations of its own asks for.

    Gives violations for what only the directory knows: a sender that is not the account's.
    """
    violations: list[Violation] = []
    objects: list[MessageObject] = []
    for index, message in enumerate(request.messages):
        made = await _to_object(message, f"messages[{index}]", account_id, directory, now)
        if isinstance(made, Violation):
            violations.append(made)
        else:
            objects.append(made)
    schedule = request.options.schedule if request.options else None
    if violations:
        return violations
    client_id = (schedule.bulk_id or None) if schedule else None
    return Bulk(account_id, objects, now, client_id)


async def _to_object(
    message: LineMessage, path: str, account_id: int, directory: Directory, now: datetime
) -> MessageObject | Violation:
    sender = await directory.sender(message.sender, now)
    if sender is None or sender.account_id != account_id:
        return Violation(f"{path}.sender", "must be the name of a sender of this account")
    match message.content:
        case LineNotification():
            content, templated = render_bubble(message.content), False
        case LineNotificationTemplate():
            content, templated = render_template(message.content), True
        case _:
            return Violation(f"{path}.content.type", "registered templates are not available yet")
    options = message.options
    platform = options.platform if options else None
    destinations, rejections = _destinations(message, sender.countries)
    return MessageObject(
        sender_id=sender.id,
        line_message=content.decode(),
        templated=templated,
        destinations=destinations,
        client_ids=[each.message_id or None for each in message.destinations],
        rejections=rejections,
        validity=_validity(options.validity_period if options else None),
        endpoint_id=await _endpoint(message.webhooks, account_id, directory, now),
        entity_id=(platform.entity_id or None) if platform else None,
        application_id=(platform.application_id or None) if platform else None,
        campaign=(options.campaign_reference_id or None) if options else None,
        callback_data=(message.webhooks.callback_data or None) if message.webhooks else None,
    )


def _destinations(
    message: LineMessage, countries: frozenset[str]
) -> tuple[list[str], dict[int, Rejection]]:
    """Numbers in the request's order, and by position why some of them cannot be sent to."""
    numbers: list[str] = []
    rejections: dict[int, Rejection] = {}
    for at, destination in enumerate(message.destinations):
        digits = normalise(destination.to)
        country = country_of(digits) if digits else None
        if digits is None or country is None:
            rejections[at] = _BAD_NUMBER
        elif country not in countries:
            rejections[at] = _COUNTRY_NOT_SERVED
        numbers.append(digits or destination.to)
    return numbers, rejections


def _validity(asked: ValidityPeriod | None) -> timedelta:
    return LONGEST if asked is None else validity_of(asked.amount, asked.time_unit)


async def _endpoint(
    webhooks: Webhooks | None, account_id: int, directory: Directory, now: datetime
) -> int:
    """Where reports go: the message's own URL, else the account's endpoint; 0 for nowhere."""
    delivery = webhooks.delivery if webhooks else None
    if delivery is not None and delivery.notify is False:
        return 0
    if webhooks is not None and delivery is not None and delivery.url:
        content_type = webhooks.content_type or "application/json"
        return await directory.endpoint(account_id, delivery.url, content_type, now)
    return await directory.default_endpoint(account_id, now) or 0
