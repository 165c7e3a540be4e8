"""From the wire to a bulk: senders looked up, content rendered, numbers checked.

What is wrong with a message as a whole is a violation and refuses the request; what is wrong with
one destination rejects that destination alone.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from linegate.api.contents import make_content
from linegate.api.directory import Directory
from linegate.api.request_rules import RECIPIENT
from linegate.api.schemas import (
    DeliveryTime,
    DeliveryTimeWindow,
    LineMessage,
    LineRequest,
    ValidityPeriod,
    Webhooks,
)
from linegate.api.schemas import Schedule as AskedSchedule
from linegate.api.sms_failover import failover_violations, stored_failover
from linegate.domain.bulk import Bulk, MessageObject, Rejection, Schedule, Window
from linegate.domain.pace import pace_of
from linegate.domain.phone import normalise
from linegate.domain.subscription import endpoint_for
from linegate.domain.validity import LONGEST, validity_of
from linegate.domain.violation import Violation
from linegate.domain.wiretime import parse_instant
from linegate.domain.zones import zone_of_country
from linegate.phones.countries import country_of
from linegate.postgres.directory import Sender

__all__ = ["sender_of", "timing_of", "to_bulk"]

_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_BAD_NUMBER = Rejection(52, 351)
_COUNTRY_NOT_SERVED = Rejection(6, 352)
_BLOCKED = Rejection(14, 2052)


async def to_bulk(
    request: LineRequest,
    account_id: int,
    directory: Directory,
    now: datetime,
    *,
    is_trial: bool = False,
) -> Bulk | list[Violation]:
    """The bulk that a request without violations of its own asks for.

    Gives violations for what only the directory knows: a sender that is not the account's, a
    template that it has not, an SMS that no route takes.
    is_trial: nothing is written: a message's own URL gets no endpoint.
    """
    violations: list[Violation] = []
    objects: list[MessageObject] = []
    for index, message in enumerate(request.messages):
        made = await _to_object(
            message, f"messages[{index}]", account_id, directory, now, is_trial=is_trial
        )
        if isinstance(made, list):
            violations += made
        else:
            objects.append(made)
            violations += await _add_failover(
                made, message, f"messages[{index}]", account_id, directory, now
            )
    schedule = request.options.schedule if request.options else None
    if violations:
        return violations
    await _reject_blocked(objects, account_id, directory, now)
    client_id = (schedule.bulk_id or None) if schedule else None
    return Bulk(account_id, objects, now, client_id, _schedule(schedule))


def timing_of(request: LineRequest, now: datetime, *, served: frozenset[str]) -> Bulk:
    """When and how fast a request wants to go, and to where; without senders and contents.

    served: countries that are sent to.
    """
    objects = []
    for message in request.messages:
        options = message.options
        window = options.delivery_time_window if options else None
        destinations, countries, rejections = _destinations(message, served)
        objects.append(
            MessageObject(
                sender_id=0,
                line_message="",
                destinations=destinations,
                client_ids=[None] * len(destinations),
                rejections=rejections,
                validity=_validity(options.validity_period if options else None),
                window=_window(window),
                zones=_zones(window, countries),
            )
        )
    schedule = request.options.schedule if request.options else None
    return Bulk(0, objects, now, None, _schedule(schedule))


async def _reject_blocked(
    objects: list[MessageObject], account_id: int, directory: Directory, now: datetime
) -> None:
    asked = [number for part in objects for number in part.destinations]
    blocked = await directory.blocked(account_id, asked, now)
    if not blocked:
        return
    for part in objects:
        for at, number in enumerate(part.destinations):
            if number in blocked:
                part.rejections.setdefault(at, _BLOCKED)


async def _add_failover(
    made: MessageObject,
    message: LineMessage,
    path: str,
    account_id: int,
    directory: Directory,
    now: datetime,
) -> list[Violation]:
    """Give a message object its SMS; gives what is wrong with it."""
    asked = message.options.sms_failover if message.options else None
    if asked is None:
        return []
    made.sms_failover = stored_failover(asked)
    numbers = [to for at, to in enumerate(made.destinations) if at not in made.rejections]
    place = f"{path}.options.smsFailover"
    return await failover_violations(
        asked, numbers, place, account_id=account_id, directory=directory, now=now
    )


async def sender_of(
    message: LineMessage, path: str, account_id: int, directory: Directory, now: datetime
) -> Sender | Violation:
    """The sender that a message names, or the default one of what it belongs to.

    What its entity or application says of templates counts above what the sender says.
    """
    application_id, entity_id = _platform(message)
    policy = await directory.policy(account_id, now)
    name = message.sender or policy.default_sender(application_id, entity_id)
    if name is None:
        return Violation(f"{path}.sender", "is required: there is no default sender for it")
    sender = await directory.sender(name, now)
    if sender is None or sender.account_id != account_id:
        return Violation(f"{path}.sender", "must be the name of a sender of this account")
    templates = policy.templates(application_id, entity_id)
    return sender if templates is None else replace(sender, needs_template=templates == "required")


def _platform(message: LineMessage) -> tuple[str | None, str | None]:
    """The application and the entity that a message names."""
    platform = message.options.platform if message.options else None
    if platform is None:
        return None, None
    return platform.application_id or None, platform.entity_id or None


async def _to_object(
    message: LineMessage,
    path: str,
    account_id: int,
    directory: Directory,
    now: datetime,
    *,
    is_trial: bool,
) -> MessageObject | list[Violation]:
    options = message.options
    application_id, entity_id = _platform(message)
    sender = await sender_of(message, path, account_id, directory, now)
    if isinstance(sender, Violation):
        return [sender]
    content = await make_content(message, sender, path, directory, now)
    if isinstance(content, list):
        return content
    destinations, countries, rejections = _destinations(message, sender.countries)
    window = options.delivery_time_window if options else None
    return MessageObject(
        sender_id=sender.id,
        line_message=content.line_message,
        templated=content.templated,
        placeholders=content.placeholders,
        template_version=content.template_version,
        destinations=destinations,
        client_ids=[each.message_id or None for each in message.destinations],
        rejections=rejections,
        validity=_validity(options.validity_period if options else None),
        window=_window(window),
        zones=_zones(window, countries),
        endpoint_id=0 if is_trial else await _endpoint(message, sender, directory, now),
        entity_id=entity_id,
        application_id=application_id,
        campaign=(options.campaign_reference_id or None) if options else None,
        callback_data=(message.webhooks.callback_data or None) if message.webhooks else None,
        intermediate=_wants_interim(message.webhooks),
    )


def _destinations(
    message: LineMessage, served: frozenset[str]
) -> tuple[list[str], list[str | None], dict[int, Rejection]]:
    """Numbers and their countries in the request's order; by position what cannot be sent to."""
    numbers: list[str] = []
    countries: list[str | None] = []
    rejections: dict[int, Rejection] = {}
    for at, destination in enumerate(message.destinations):
        digits = normalise(destination.to)
        country = country_of(digits) if digits else None
        if digits is None or country is None:
            rejections[at] = _BAD_NUMBER
        elif country not in served:
            rejections[at] = _COUNTRY_NOT_SERVED
        numbers.append(digits or destination.to)
        countries.append(country)
    return numbers, countries, rejections


def _schedule(asked: AskedSchedule | None) -> Schedule:
    if asked is None:
        return Schedule()
    limit = asked.sending_speed_limit
    return Schedule(
        parse_instant(asked.send_at) if asked.send_at else None,
        pace_of(limit.amount, limit.time_unit) if limit else None,
    )


def _window(asked: DeliveryTimeWindow | None) -> Window | None:
    if asked is None:
        return None
    days = tuple(sorted({_DAYS.index(day) + 1 for day in asked.days}))
    return Window(days, _minute(asked.from_), _minute(asked.to))


def _minute(time: DeliveryTime | None) -> int | None:
    return None if time is None else time.hour * 60 + time.minute


def _zones(asked: DeliveryTimeWindow | None, countries: list[str | None]) -> str | list[str]:
    """The window's zone: one for all, or each recipient's own."""
    if asked is None or asked.time_zone is None:
        return "UTC"
    if asked.time_zone != RECIPIENT:
        return asked.time_zone
    return [zone_of_country(country) if country else "UTC" for country in countries]


def _validity(asked: ValidityPeriod | None) -> timedelta:
    return LONGEST if asked is None else validity_of(asked.amount, asked.time_unit)


def _wants_interim(webhooks: Webhooks | None) -> bool:
    return bool(webhooks and webhooks.delivery and webhooks.delivery.intermediate_report)


async def _endpoint(
    message: LineMessage, sender: Sender, directory: Directory, now: datetime
) -> int:
    """Where reports go: the message's own URL, else what subscriptions and settings say.

    Returns: 0 for nowhere.
    """
    webhooks, account_id = message.webhooks, sender.account_id
    delivery = webhooks.delivery if webhooks else None
    if delivery is not None and delivery.notify is False:
        return 0
    if webhooks is not None and delivery is not None and delivery.url:
        content_type = webhooks.content_type or "application/json"
        return await directory.endpoint(account_id, delivery.url, content_type, now)
    application_id, entity_id = _platform(message)
    subscribed = endpoint_for(
        await directory.subscriptions(account_id, now),
        sender=sender.name,
        application_id=application_id,
        entity_id=entity_id,
    )
    policy = await directory.policy(account_id, now)
    of_division = policy.endpoint_id(application_id, entity_id)
    return subscribed or of_division or await directory.default_endpoint(account_id, now) or 0
