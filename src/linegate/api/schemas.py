"""The request of POST /line/1/messages: exactly the wire, no behaviour.

Names are the API's. Limits of single values are in the types, so that decoding
checks them; what relates values or needs the time is in `request_rules.py`.
Unknown properties are ignored; null is the same as absent where a property is
optional; an empty id is the same as none.

Source: docs/reference/content.md (published schema of the request).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from linegate.api.schemas_content import Content, Placeholders

__all__ = [
    "DeliveryTime",
    "DeliveryTimeWindow",
    "Destination",
    "IndiaDlt",
    "LineMessage",
    "LineRequest",
    "MessageOptions",
    "Platform",
    "Regional",
    "RequestOptions",
    "Schedule",
    "SendingSpeedLimit",
    "SmsFailover",
    "SouthKorea",
    "TurkeyIys",
    "ValidityPeriod",
    "WebhookDelivery",
    "Webhooks",
    "decode_request",
]

_INT32 = 2_147_483_647

Text255 = Annotated[str, Meta(max_length=255)]
Sender = Annotated[str, Meta(min_length=1, max_length=255)]
To = Annotated[str, Meta(max_length=255)]
MessageId = Annotated[str, Meta(max_length=200)]
BulkId = Annotated[str, Meta(max_length=100)]
CallbackData = Annotated[str, Meta(max_length=4000)]
Amount = Annotated[int, Meta(ge=1, le=_INT32)]
Int32 = Annotated[int, Meta(ge=-_INT32 - 1, le=_INT32)]
Instant = Annotated[str, Meta(max_length=64)]
WebhookUrl = Annotated[
    str,
    Meta(
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]\S*(?![\s\S])",
        max_length=2048,
        description="an http or https URL with a host and without spaces",
    ),
]
Day = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


class _Wire(Struct, rename="camel", kw_only=True, gc=False, omit_defaults=True):
    """What every piece shares: camelCase names."""


class Destination(_Wire):
    """Whom to send to.

    to:           a number as the client writes it; a bad one fails alone, not the request.
    message_id:   the client's own id.
    placeholders: ours; fill a registered template for this destination alone.
    """

    to: To
    message_id: MessageId | None = None
    placeholders: Placeholders | None = None


class Platform(_Wire):
    """The client's own grouping, echoed in reports."""

    entity_id: Text255 | None = None
    application_id: Text255 | None = None


class ValidityPeriod(_Wire):
    """How long sending is worth it: at least 10 s; more than 48 h counts as 48 h."""

    amount: Int32
    time_unit: Literal["SECONDS", "MINUTES", "HOURS"] | None = None


class DeliveryTime(_Wire):
    """A time of day."""

    hour: Annotated[int, Meta(ge=0, le=23)]
    minute: Annotated[int, Meta(ge=0, le=59)]


class DeliveryTimeWindow(_Wire):
    """Days and hours when a message may go.

    from_, to: both or neither; `to` is exclusive.
    time_zone: ours: an IANA name, or `RECIPIENT`; absent means UTC, as published.
    """

    days: Annotated[list[Day], Meta(min_length=1)]
    from_: DeliveryTime | None = field(name="from", default=None)
    to: DeliveryTime | None = None
    time_zone: Annotated[str, Meta(max_length=64)] | None = None


class IndiaDlt(_Wire):
    """What India's registry wants with an SMS."""

    principal_entity_id: str
    content_template_id: str | None = None
    telemarketer_id: str | None = None


class TurkeyIys(_Wire):
    """What Turkey's registry wants with a promotional SMS."""

    recipient_type: Literal["BIREYSEL", "TACIR"]
    brand_code: Int32 | None = None


class SouthKorea(_Wire):
    """What South Korea wants with an SMS."""

    title: Annotated[str, Meta(max_length=66)] | None = None
    reseller_code: Int32 | None = None


class Regional(_Wire):
    """What the laws of some countries want with an SMS."""

    india_dlt: IndiaDlt | None = None
    turkey_iys: TurkeyIys | None = None
    south_korea: SouthKorea | None = None


class SmsFailover(_Wire):
    """The SMS that goes where LINE did not reach."""

    text: Annotated[str, Meta(min_length=1)]
    sender: Text255 | None = None
    validity_period: ValidityPeriod | None = None
    regional: Regional | None = None


class MessageOptions(_Wire):
    """Options of one message object."""

    platform: Platform | None = None
    validity_period: ValidityPeriod | None = None
    delivery_time_window: DeliveryTimeWindow | None = None
    campaign_reference_id: Text255 | None = None
    sms_failover: SmsFailover | None = None


class WebhookDelivery(_Wire):
    """Where and whether delivery reports are pushed."""

    url: WebhookUrl | None = None
    intermediate_report: bool | None = None
    notify: bool | None = None


class Webhooks(_Wire):
    """How delivery reports are pushed."""

    delivery: WebhookDelivery | None = None
    content_type: Literal["application/json", "application/xml"] | None = None
    callback_data: CallbackData | None = None


class LineMessage(_Wire):
    """One content to many destinations, from one sender.

    sender: published as required; an account with a default sender may leave it out, which
            `request_rules.py` knows.
    """

    destinations: Annotated[list[Destination], Meta(min_length=1)]
    content: Content
    sender: Sender | None = None
    options: MessageOptions | None = None
    webhooks: Webhooks | None = None


class SendingSpeedLimit(_Wire):
    """At most this many messages per unit; the unit is a minute if absent."""

    amount: Amount
    time_unit: Literal["MINUTE", "HOUR", "DAY"] | None = None


class Schedule(_Wire):
    """When and how fast the bulk goes.

    send_at: an instant with an offset (`domain.wiretime.parse_instant`). Some clients follow
             the documentation page's `SendAt`: it counts where `sendAt` is absent.
    """

    bulk_id: BulkId | None = None
    send_at: Instant | None = None
    send_at_page: Instant | None = field(name="SendAt", default=None)
    sending_speed_limit: SendingSpeedLimit | None = None

    def __post_init__(self) -> None:
        if self.send_at is None:
            self.send_at = self.send_at_page


class RequestOptions(_Wire):
    """Options of the whole request."""

    schedule: Schedule | None = None


class LineRequest(_Wire):
    """A whole request: one bulk."""

    messages: Annotated[list[LineMessage], Meta(min_length=1)]
    options: RequestOptions | None = None


_DECODER = msgspec.json.Decoder(LineRequest)


def decode_request(body: bytes) -> LineRequest:
    """A request from its JSON, or an exception that names the first thing wrong.

    Raises: msgspec.DecodeError (no JSON, or not of this shape), UnicodeDecodeError or
            RecursionError. `explain.read_request` turns these into all violations.
    """
    return _DECODER.decode(body)
