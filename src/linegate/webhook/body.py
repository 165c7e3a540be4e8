"""Delivery reports as the client reads them, pushed or pulled: JSON or XML bytes.

Source: docs/reference/content.md (delivery report; delivery webhook).
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from msgspec import Struct

from linegate.domain.status import ERRORS, STATUSES
from linegate.domain.wiretime import format_instant

__all__ = [
    "DeliveryReport",
    "ErrorBody",
    "PlatformBody",
    "PriceBody",
    "StatusBody",
    "delivery_report",
    "encode_reports_json",
    "encode_reports_xml",
    "encode_xml",
    "error_body",
    "status_body",
    "xml_text",
]


class _Wire(Struct, rename="camel", kw_only=True, omit_defaults=True, frozen=True):
    """What every piece shares: camelCase names, absent fields left out."""


class StatusBody(_Wire, frozen=True):
    """A public status."""

    group_id: int
    group_name: str
    id: int
    name: str
    description: str
    action: str | None = None


class ErrorBody(_Wire, frozen=True):
    """A public error; id 0 says that there is none."""

    group_id: int
    group_name: str
    id: int
    name: str
    description: str
    permanent: bool


class PriceBody(_Wire, frozen=True):
    """What one message cost."""

    price_per_message: float
    currency: str


class PlatformBody(_Wire, frozen=True):
    """The client's own grouping."""

    entity_id: str | None = None
    application_id: str | None = None


class DeliveryReport(_Wire, frozen=True, kw_only=True):
    """What became of one message; dates as `2023-09-26T10:52:15.457+0000`."""

    bulk_id: str
    price: PriceBody | None = None
    status: StatusBody
    error: ErrorBody
    message_id: str
    to: str
    sender: str | None = None
    sent_at: str | None = None
    done_at: str | None = None
    message_count: int
    mcc_mnc: str | None = None
    callback_data: str | None = None
    platform: PlatformBody | None = None
    campaign_reference_id: str | None = None


class _DeliveryReports(_Wire, frozen=True):
    results: Sequence[DeliveryReport]


@lru_cache(maxsize=256)
def status_body(status_id: int, action: str | None = None) -> StatusBody:
    """The public status with this id; KeyError for an id that is not in the table."""
    status = STATUSES[status_id]
    return StatusBody(
        group_id=status.group_id,
        group_name=status.group_name,
        id=status.id,
        name=status.name,
        description=status.description,
        action=action,
    )


@lru_cache(maxsize=256)
def error_body(error_id: int) -> ErrorBody:
    """The public error with this id; KeyError for an id that is not in the table."""
    error = ERRORS[error_id]
    return ErrorBody(
        group_id=error.group_id,
        group_name=error.group_name,
        id=error.id,
        name=error.name,
        description=error.description,
        permanent=error.permanent,
    )


def delivery_report(  # noqa: PLR0913 - the wire has that many
    *,
    bulk_id: str,
    message_id: str,
    to: str,
    status_id: int,
    error_id: int = 0,
    sender: str | None = None,
    sent_at: datetime | None = None,
    done_at: datetime | None = None,
    message_count: int = 1,
    mcc_mnc: str | None = None,
    callback_data: str | None = None,
    entity_id: str | None = None,
    application_id: str | None = None,
    campaign_reference_id: str | None = None,
    price: PriceBody | None = None,
) -> DeliveryReport:
    """One report from a message's facts; instants are aware, empty texts are left out."""
    grouped = entity_id or application_id
    return DeliveryReport(
        bulk_id=bulk_id,
        price=price,
        status=status_body(status_id),
        error=error_body(error_id),
        message_id=message_id,
        to=to,
        sender=sender or None,
        sent_at=format_instant(sent_at) if sent_at else None,
        done_at=format_instant(done_at) if done_at else None,
        message_count=message_count,
        mcc_mnc=mcc_mnc or None,
        callback_data=callback_data or None,
        platform=PlatformBody(entity_id=entity_id or None, application_id=application_id or None)
        if grouped
        else None,
        campaign_reference_id=campaign_reference_id or None,
    )


def encode_reports_json(reports: Sequence[DeliveryReport]) -> bytes:
    """`{"results":[...]}`; an empty list is `{"results":[]}`."""
    return msgspec.json.encode(_DeliveryReports(results=reports))


def encode_reports_xml(reports: Sequence[DeliveryReport]) -> bytes:
    """`<DeliveryReports><results><result>...</result></results></DeliveryReports>`."""
    results = "".join(f"<result>{_elements(msgspec.to_builtins(r))}</result>" for r in reports)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<DeliveryReports><results>{results}</results></DeliveryReports>"
    ).encode()


def encode_xml(root: str, members: dict[str, Any]) -> bytes:
    """An object as XML; a list becomes elements named by its singular: `results` of `result`."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{_elements(members)}</{root}>'.encode()


# Characters XML 1.0 cannot carry, not even escaped; a client's callbackData may hold them.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _elements(members: dict[str, Any]) -> str:
    """The members of one object as elements, in order."""
    return "".join(
        f"<{name}>{_listed(name, value) if isinstance(value, list) else _text(value)}</{name}>"
        for name, value in members.items()
    )


def _listed(name: str, values: list[Any]) -> str:
    single = name.removesuffix("s") if name.endswith("s") else "item"
    return "".join(f"<{single}>{_text(value)}</{single}>" for value in values)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return _elements(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return xml_text(str(value))


def xml_text(text: str) -> str:
    """A text as the content of an XML element; what XML cannot carry becomes U+FFFD."""
    # A bare carriage return would reach the reader as a line feed.
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})
