"""What Twilio's Messages API answers and calls back with, in our values.

Source: Twilio's reference: Message resource, "Error and Warning Dictionary", "Track outbound
message status".
"""

import msgspec

from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.domain.transport import Price, Receipt, Submitted
from linegate.sms.http import Answer

__all__ = ["FAILURES", "REFUSALS", "read_status", "submitted_of"]

# Error code of a refused request: status and error of the final report.
REFUSALS: dict[int, tuple[int, int]] = {
    21211: (52, 351),  # invalid 'To'
    21212: (11, 368),  # invalid 'From'
    21265: (52, 351),  # 'To' is a short code
    21408: (6, 352),  # region not enabled
    21601: (11, 368),  # 'From' cannot send SMS
    21602: (4, 500),  # no body
    21603: (11, 368),  # no 'From'
    21604: (51, 351),  # no 'To'
    21605: (25, 355),  # body too long
    21606: (11, 368),  # 'From' is not the account's
    21608: (18, 351),  # trial account, number not verified
    21610: (14, 2052),  # recipient has opted out
    21612: (6, 352),  # no way to 'To' from 'From'
    21614: (52, 351),  # 'To' is no mobile number
    21617: (25, 355),  # body too long
    21659: (11, 368),  # 'From' is not a number of the account
    21660: (11, 368),  # 'From' belongs to another account
}
# ErrorCode of a failed message.
FAILURES: dict[int, tuple[int, int]] = {
    30001: (9, 502),  # queue overflow
    30002: (4, 433),  # account suspended
    30003: (9, 27),  # handset unreachable
    30004: (14, 2052),  # blocked
    30005: (9, 1),  # unknown handset
    30006: (9, 5),  # landline or unreachable carrier
    30007: (4, 500),  # filtered by the carrier
    30008: (9, 255),  # unknown
    30009: (9, 32),  # a segment is missing
    30010: (12, 500),  # over the highest price
    30036: (15, 4098),  # validity period ran out
}
_STATES: dict[str, tuple[int, int]] = {
    "accepted": (3, 0),
    "scheduled": (3, 0),
    "queued": (3, 0),
    "sending": (3, 0),
    "sent": (3, 0),
    "delivered": (5, 0),
    "read": (5, 0),
    "canceled": (31, 4100),
}
_FAILED = ("failed", "undelivered")
_ROUTE_IS_BROKEN = (401, 403, 404)
_TOO_MANY = (429, 20429, 14107)


class _Message(msgspec.Struct):
    sid: str
    num_segments: str = "1"


class _Error(msgspec.Struct):
    code: int = 0


def submitted_of(answer: Answer | Outcome, *, parts: int, final: bool) -> Submitted:
    """What became of one message."""
    if isinstance(answer, Outcome):
        return Submitted(answer, parts=parts)
    if answer.status not in (200, 201):
        return Submitted(_refusal(answer), parts=parts)
    try:
        message = msgspec.json.decode(answer.body, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        unreadable = Outcome(
            OutcomeKind.UNKNOWN, error=502, code=answer.status, detail="unreadable answer"
        )
        return Submitted(unreadable, parts=parts)
    count = int(message.num_segments) if message.num_segments.isdigit() else 0
    accepted = Outcome(OutcomeKind.ACCEPTED, code=answer.status, request_id=message.sid[:100])
    return Submitted(accepted, (message.sid.lower(),), count or parts, final)


def read_status(form: dict[str, str], reference: str) -> Receipt | None:
    """The receipt of one status callback; None if it is not one."""
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    word = form.get("MessageStatus") or form.get("SmsStatus") or ""
    if not sid or not word:
        return None
    code = form.get("ErrorCode", "")
    if word in _FAILED:
        status, error = FAILURES.get(int(code) if code.isdigit() else 0, (9, 255))
    else:
        status, error = _STATES.get(word, (3, 0))
    return Receipt(
        ids=(sid.lower(),),
        destination=form.get("To", "").removeprefix("+"),
        status=status,
        error=error,
        reference=reference,
        detail=f"{word} {code}".strip()[:60],
        price=_price(form),
    )


def _refusal(answer: Answer) -> Outcome:
    status = answer.status
    try:
        code = msgspec.json.decode(answer.body, type=_Error).code
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = 0
    detail = f"HTTP {status}, code {code}"
    if status in _TOO_MANY or code in _TOO_MANY:
        return Outcome(OutcomeKind.SLOWED, error=500, code=status, detail=detail)
    if status in _ROUTE_IS_BROKEN:
        return Outcome(OutcomeKind.UNAUTHORISED, error=433, status=4, code=status, detail=detail)
    if 400 <= status < 500:
        final, error = REFUSALS.get(code, (4, 500))
        return Outcome(OutcomeKind.REFUSED, error=error, status=final, code=status, detail=detail)
    return Outcome(OutcomeKind.UNKNOWN, error=502, code=status, detail=detail)


def _price(form: dict[str, str]) -> Price | None:
    try:
        return Price(abs(float(form["Price"])), form["PriceUnit"])
    except (KeyError, ValueError):
        return None
