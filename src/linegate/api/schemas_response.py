"""What POST /line/1/messages answers with 200, and the reports' encoders beside it.

Source: docs/reference/content.md (response; delivery report).
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from linegate.webhook.body import (
    DeliveryReport,
    StatusBody,
    delivery_report,
    encode_reports_json,
    encode_reports_xml,
    status_body,
)

__all__ = [
    "DeliveryReport",
    "SendAnswer",
    "SentMessage",
    "delivery_report",
    "encode_reports_json",
    "encode_reports_xml",
    "encode_send_answer",
]


class SentMessage(Struct, rename="camel", gc=False):
    """What became of one destination at once."""

    message_id: str
    status: StatusBody
    destination: str


class SendAnswer(Struct, rename="camel"):
    """One element per destination, in the order of the request."""

    bulk_id: str
    messages: list[SentMessage]


_ENCODER = msgspec.json.Encoder()


def encode_send_answer(bulk_id: str, messages: Iterable[tuple[str, int, str]]) -> bytes:
    """The answer's JSON.

    messages: (messageId, status id, destination) per destination, in the request's order.
    """
    listed = [
        SentMessage(message_id, status_body(status_id), destination)
        for message_id, status_id, destination in messages
    ]
    return _ENCODER.encode(SendAnswer(bulk_id, listed))
