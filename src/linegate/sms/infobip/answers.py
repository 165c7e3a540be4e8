"""What Infobip's SMS API answers and reports, in our values.

Its statuses and errors are the published registry itself, so most ids stay what they are.
Source: published operations send-sms-messages and receive-outbound-sms-message-report-v3.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.status import ERRORS, STATUSES
from linegate.domain.transport import Price, Receipt, Submitted
from linegate.domain.wiretime import parse_instant
from linegate.sms.http import Answer

__all__ = ["outcome_of", "read_reports", "submitted_of"]

_DUPLICATE = 23
_BY_GROUP = {1: 3, 2: 9, 3: 5, 4: 15, 5: 4}
_REJECTED = (2, 5)
_ROUTE_IS_BROKEN = (401, 403, 404)


class _Named(msgspec.Struct, rename="camel"):
    id: int = 0
    group_id: int = 0
    name: str = ""


class _Details(msgspec.Struct, rename="camel"):
    message_count: int = 1


class _Sent(msgspec.Struct, rename="camel"):
    message_id: str
    status: _Named
    details: _Details = msgspec.field(default_factory=_Details)


class _SendAnswer(msgspec.Struct):
    messages: list[_Sent]


class _Price(msgspec.Struct, rename="camel"):
    price_per_message: Annotated[float, msgspec.Meta(ge=0, lt=1_000_000)]  # as wide as its column
    currency: str = ""


class _Report(msgspec.Struct, rename="camel"):
    message_id: str
    to: str
    status: _Named
    error: _Named = msgspec.field(default_factory=_Named)
    message_count: Annotated[int, msgspec.Meta(ge=0, le=0x7FFF)] | None = None
    price: _Price | None = None
    mcc_mnc: str | None = None
    done_at: str = ""
    callback_data: str | None = None


class _Reports(msgspec.Struct):
    results: list[_Report]


def submitted_of(answer: Answer | Outcome, *, parts: int, final: bool) -> Submitted:
    """What became of one message. A duplicate id means that an earlier attempt was taken."""
    if isinstance(answer, Outcome):
        return Submitted(answer, parts=parts)
    if answer.status != 200:
        return Submitted(outcome_of(answer.status), parts=parts)
    try:
        sent = msgspec.json.decode(answer.body, type=_SendAnswer).messages[0]
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
        unreadable = Outcome(OutcomeKind.UNKNOWN, error=502, code=200, detail="unreadable answer")
        return Submitted(unreadable, parts=parts)
    status = sent.status
    if status.group_id in _REJECTED and status.id != _DUPLICATE:
        final_status = _status(status)
        outcome = Outcome(
            OutcomeKind.REFUSED, error=500, status=final_status, code=200, detail=status.name[:100]
        )
        return Submitted(outcome, parts=parts)
    accepted = Outcome(OutcomeKind.ACCEPTED, code=200, request_id=sent.message_id[:100])
    count = max(1, sent.details.message_count)
    return Submitted(accepted, (sent.message_id.lower(),), count, final)


def outcome_of(status: int) -> Outcome:
    """What an HTTP status other than 200 means. 5xx may have been processed."""
    detail = f"HTTP {status}"
    if status in _ROUTE_IS_BROKEN:
        return Outcome(OutcomeKind.UNAUTHORISED, error=433, status=4, code=status, detail=detail)
    if status == 429:
        return Outcome(OutcomeKind.SLOWED, error=500, code=status, detail=detail)
    if 400 <= status < 500:
        return Outcome(OutcomeKind.REFUSED, error=500, status=4, code=status, detail=detail)
    return Outcome(OutcomeKind.UNKNOWN, error=502, code=status, detail=detail)


def read_reports(body: bytes) -> list[Receipt] | None:
    """The receipts of one webhook call; None if it is not one, or cannot be kept."""
    if b"\\u0000" in body:  # no database keeps it, and one such call would fail its neighbours
        return None
    try:
        reports = msgspec.json.decode(body, type=_Reports).results
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return [_receipt(report) for report in reports]


def _receipt(report: _Report) -> Receipt:
    price = report.price
    return Receipt(
        ids=(report.message_id.lower(),),
        destination=report.to.removeprefix("+"),
        status=_status(report.status),
        error=report.error.id if report.error.id in ERRORS else 255,
        reference=report.callback_data or "",
        detail=report.status.name[:60],
        done_at=_instant(report.done_at),
        parts=report.message_count,
        price=Price(price.price_per_message, price.currency) if price and price.currency else None,
        mcc_mnc=report.mcc_mnc or None,
    )


def _status(status: _Named) -> int:
    return status.id if status.id in STATUSES else _BY_GROUP.get(status.group_id, 9)


def _instant(text: str) -> datetime | None:
    return parse_instant(text) if text else None
