"""The bodies of /line/1/bulks and /line/1/bulks/status: exactly the wire.

Ours; names and shapes are those of the published /sms/1/bulks.
"""

from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from linegate.api.auth import Refused
from linegate.api.schemas import Instant, SendingSpeedLimit
from linegate.domain.pace import Pace
from linegate.domain.violation import Violation
from linegate.domain.wiretime import format_instant
from linegate.shape.steering import BulkView

__all__ = ["ChangeRequest", "StatusRequest", "bulk_answer", "decode", "speed_limit"]

T = TypeVar("T")


class StatusRequest(Struct):
    """What a bulk is to be."""

    status: Literal["PENDING", "PAUSED", "PROCESSING", "CANCELED", "FINISHED", "FAILED"]


class ChangeRequest(Struct, rename="camel"):
    """When and how fast a bulk is to go; what is absent stays, a limit of null is none."""

    send_at: Instant | UnsetType = UNSET
    sending_speed_limit: SendingSpeedLimit | UnsetType | None = UNSET


def decode(body: bytes, kind: type[T]) -> T:
    """A body of this shape. Raises: Refused 400 with what is wrong with it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise Refused(400, [Violation(place.strip("`.") or "$", reason)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, [Violation("$", "must be a JSON object")]) from error


def speed_limit(pace: Pace) -> dict[str, Any]:
    """A pace as the API writes it."""
    return {"amount": pace.amount, "timeUnit": pace.unit_name}


def bulk_answer(view: BulkView) -> dict[str, Any]:
    """Where a bulk is, as the API writes it."""
    answer: dict[str, Any] = {
        "bulkId": view.bulk_id,
        "sendAt": format_instant(view.send_at),
        "status": view.status.value,
        "acceptedAt": format_instant(view.accepted_at),
        "messages": view.messages,
        "counts": {
            "waiting": view.waiting,
            "due": view.counts.due,
            "sending": view.counts.sending,
            "handedOver": view.counts.handed_over,
            "ended": view.ended,
        },
        "countedAt": format_instant(view.counted_at),
    }
    if view.pace is not None:
        answer["sendingSpeedLimit"] = speed_limit(view.pace)
    if view.ends_at is not None:
        answer["endsAt"] = format_instant(view.ends_at)
    if view.reason is not None:
        answer["reason"] = view.reason
    if view.held:
        answer["refusedByLine"] = list(view.held)
    return answer
