"""Finished messages as the bytes of delivery reports, pushed and pulled alike."""

from collections.abc import Sequence
from typing import Any

import msgspec

from linegate.domain.report import FinishedMessage
from linegate.domain.status import STATUSES
from linegate.webhook.body import (
    DeliveryReport,
    PriceBody,
    delivery_report,
    encode_reports_json,
    encode_reports_xml,
)

__all__ = ["encode_reports", "log_entry"]

_DELIVERED = 3


def encode_reports(messages: Sequence[FinishedMessage], content_type: str) -> bytes:
    """The reports in one body; content_type: `application/json` or `application/xml`."""
    reports = [_report(message) for message in messages]
    if content_type == "application/xml":
        return encode_reports_xml(reports)
    return encode_reports_json(reports)


def log_entry(message: FinishedMessage) -> dict[str, Any]:
    """A report in the shape of the logs: `destination` and not `to`, and no callback data."""
    entry: dict[str, Any] = msgspec.to_builtins(_report(message))
    entry["destination"] = entry.pop("to")
    entry.pop("callbackData", None)
    return entry


def _report(message: FinishedMessage) -> DeliveryReport:
    return delivery_report(
        bulk_id=message.public_bulk_id,
        message_id=message.public_message_id,
        to=message.destination,
        status_id=message.status,
        error_id=message.error,
        sender=message.sender,
        sent_at=message.sent_at,
        done_at=message.done_at,
        callback_data=message.callback_data,
        entity_id=message.entity_id,
        application_id=message.application_id,
        campaign_reference_id=message.campaign,
        price=_price(message),
        message_count=message.parts,
        mcc_mnc=message.mcc_mnc,
    )


def _price(message: FinishedMessage) -> PriceBody | None:
    """What it cost: LINE bills what is delivered and nothing else (FACTS A1.8), an SMS provider
    what it says.
    """
    if message.price is None or message.currency is None:
        return None
    is_delivered = message.by_sms or STATUSES[message.status].group_id == _DELIVERED
    return PriceBody(
        price_per_message=float(message.price) if is_delivered else 0.0, currency=message.currency
    )
