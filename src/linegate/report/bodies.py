"""Finished messages as the bytes of delivery reports, pushed and pulled alike."""

from collections.abc import Sequence

from linegate.domain.report import FinishedMessage
from linegate.webhook.body import (
    DeliveryReport,
    delivery_report,
    encode_reports_json,
    encode_reports_xml,
)

__all__ = ["encode_reports"]


def encode_reports(messages: Sequence[FinishedMessage], content_type: str) -> bytes:
    """The reports in one body; content_type: `application/json` or `application/xml`."""
    reports = [_report(message) for message in messages]
    if content_type == "application/xml":
        return encode_reports_xml(reports)
    return encode_reports_json(reports)


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
    )
