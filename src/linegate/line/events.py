"""The calls LINE makes to us: is this one LINE's, and what was delivered.

Only delivery completion events matter to the gateway. Whatever else a call
holds is counted and skipped, known or not, since LINE adds event types and properties
without notice. This file does not know messages, tags or HTTP.

Source: LINE notification messages, "delivery completion event"; Messaging API
reference, "Webhooks" and "Signature validation".
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec

__all__ = ["Call", "DeliveryEvent", "read_call", "read_events", "verify_signature"]

# Past the year 9999 a timestamp is no instant that Python can hold.
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """LINE says that one message reached the recipient's screen.

    tag:      what we sent as `X-Line-Delivery-Tag`, or a hashed number if none was sent.
    at:       when it was delivered; aware, UTC, whole milliseconds; equal on redelivery.
    event_id: LINE's id of the event; equal on redelivery; "" if LINE gave none.
    """

    tag: str
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of LINE: its delivery events in LINE's order, and how many others it holds."""

    deliveries: list[DeliveryEvent]
    others: int


class _Delivery(msgspec.Struct):
    data: str


class _Event(msgspec.Struct):
    type: str = ""
    delivery: _Delivery | None = None
    timestamp: _Milliseconds | None = None
    event_id: str = msgspec.field(name="webhookEventId", default="")


class _Call(msgspec.Struct):
    events: list[_Event]


class _RawCall(msgspec.Struct):
    events: list[msgspec.Raw]


_call = msgspec.json.Decoder(_Call)
_raw_call = msgspec.json.Decoder(_RawCall)
_event = msgspec.json.Decoder(_Event)


def verify_signature(secret: bytes, raw_body: bytes, header: str | None) -> bool:
    """Whether the call was signed with this channel's secret. Constant time.

    secret:   the channel secret's characters, as bytes.
    raw_body: the body as it came, before any decoding.
    header:   the value of `x-line-signature`; None if the call has none.
    Source:   Messaging API reference, "Signature validation": base64 of HMAC-SHA256.
    """
    if header is None:
        return False
    expected = base64.b64encode(hmac.digest(secret, raw_body, "sha256"))
    return hmac.compare_digest(expected, header.encode("utf-8", "replace"))


def read_call(raw_body: bytes) -> Call | None:
    """What one call holds; None if it is not LINE's JSON.

    No events at all is a good call: LINE verifies an address so. A delivery event without a tag
    or a readable instant tells us nothing and counts as another's.
    Source: delivery completion event; `source` is absent since 2025-01-28.
    """
    try:
        events = _call.decode(raw_body).events
    except msgspec.ValidationError:
        return _read_one_by_one(raw_body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = [_delivery_of(event) for event in events]
    return _call_of(found)


def read_events(raw_body: bytes) -> list[DeliveryEvent] | None:
    """The delivery events of one call, in LINE's order; None if it is not LINE's JSON."""
    call = read_call(raw_body)
    return None if call is None else call.deliveries


def _call_of(found: list[DeliveryEvent | None]) -> Call:
    deliveries = [event for event in found if event is not None]
    return Call(deliveries, len(found) - len(deliveries))


def _read_one_by_one(raw_body: bytes) -> Call | None:
    """As `read_call`, but an event of a shape we do not know hides no other."""
    try:
        raw_events = _raw_call.decode(raw_body).events
    except (msgspec.DecodeError, RecursionError):
        return None
    return _call_of([_delivery_of_raw(raw) for raw in raw_events])


def _delivery_of_raw(raw: msgspec.Raw) -> DeliveryEvent | None:
    try:
        return _delivery_of(_event.decode(raw))
    except msgspec.ValidationError:
        return None


def _delivery_of(event: _Event) -> DeliveryEvent | None:
    if event.type != "delivery" or event.delivery is None or event.timestamp is None:
        return None
    at = datetime.fromtimestamp(event.timestamp / 1000, UTC)
    return DeliveryEvent(event.delivery.data, at, event.event_id)
