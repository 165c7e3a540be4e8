"""`options.smsFailover`: whether the account can send it, and how it is stored."""

from datetime import datetime

import msgspec

from linegate.api.directory import Directory
from linegate.api.schemas import SmsFailover
from linegate.domain.validity import LONGEST, validity_of
from linegate.domain.violation import Violation
from linegate.postgres.sms_routes import Routing
from linegate.sms.segments import MOST_PARTS, count_parts
from linegate.sms.senders import is_sms_sender

__all__ = ["failover_violations", "stored_failover"]


async def failover_violations(
    asked: SmsFailover,
    destinations: list[str],
    path: str,
    *,
    account_id: int,
    directory: Directory,
    now: datetime,
) -> list[Violation]:
    """Everything wrong with an SMS for these numbers (digits).

    A number that no route takes refuses the request (decision 12): its client asked for an SMS
    that nobody could ever send.
    """
    found: list[Violation] = []
    sender = asked.sender or None
    if sender is not None and not is_sms_sender(sender):
        reason = "must be a number of 3 to 15 digits or a name of at most 11 characters"
        found.append(Violation(f"{path}.sender", reason))
    if count_parts(asked.text) > MOST_PARTS:
        reason = f"must fit into {MOST_PARTS} SMS parts"
        found.append(Violation(f"{path}.text", reason))
    routes = await directory.sms_routes(account_id, now)
    nobody = _no_route(routes, destinations, sender)
    if nobody is not None:
        found.append(Violation(path, nobody))
    return found


def stored_failover(asked: SmsFailover) -> str:
    """The SMS as `message_object.sms_failover` has it. validity in seconds, 48 h by default."""
    period = asked.validity_period
    validity = LONGEST if period is None else validity_of(period.amount, period.time_unit)
    stored: dict[str, object] = {
        "text": asked.text,
        "sender": asked.sender or None,
        "validity": int(validity.total_seconds()),
    }
    if asked.regional is not None:
        stored["regional"] = msgspec.to_builtins(asked.regional)
    return msgspec.json.encode(stored).decode()


def _no_route(routes: list[Routing], destinations: list[str], sender: str | None) -> str | None:
    """Why an SMS cannot go to all of the numbers; None if it can."""
    if not routes:
        return "the account has no SMS route"
    if sender is None and all(route.default_sender is None for route in routes):
        return "needs a sender: no SMS route of the account has a default one"
    if any(not route.prefixes and route.takes("", sender) for route in routes):
        return None  # one route takes every number
    for number in destinations:
        if not any(route.takes(number, sender) for route in routes):
            return f"no SMS route of the account takes ...{number[-3:]} from this sender"
    return None
