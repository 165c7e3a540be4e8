"""What becomes of an SMS, chosen by the third digit from the end of its number.

The last two digits choose LINE's fate (`fates.py`), so one number says both: ...593 is refused by
LINE and its SMS is answered late.
"""

from dataclasses import dataclass

__all__ = ["DELIVERED", "SMS_FATES", "SMS_SWITCHES", "SmsFate", "sms_fate_of"]


@dataclass(frozen=True, slots=True)
class SmsFate:
    """One row of the table. Durations are seconds, before `delay_factor`.

    digit:         the digit that chooses it; empty: only by the switch.
    status:        SMPP command status of the answer; -1: none; -2: the connection is closed.
    state:         word of the delivery receipt; empty: none comes.
    error:         `err:` of the receipt.
    receipts:      how many equal receipts come.
    receipt_after: when the first comes, counted from the answer.
    early:         the receipt comes before the answer.
    once:          this happens to the first submit for a number, the next ones are delivered.
    """

    digit: str
    name: str
    means: str
    status: int = 0
    state: str = "DELIVRD"
    error: str = "000"
    receipts: int = 1
    receipt_after: float = 0.0
    early: bool = False
    once: bool = False


SMS_FATES = (
    SmsFate("0", "delivered", "delivered at once"),
    SmsFate("1", "late", "delivered 3 s later", receipt_after=3.0),
    SmsFate("2", "undeliverable", "taken, then not delivered", state="UNDELIV", error="027"),
    SmsFate("3", "refused", "refused: no such number (0x0b)", status=0x0B, state=""),
    SmsFate("4", "throttled", "first told to slow down (0x58)", 0x58, state="", once=True),
    SmsFate("5", "unanswered", "first submit taken without an answer", -1, state="", once=True),
    SmsFate("6", "early", "the receipt comes before the answer", early=True),
    SmsFate("7", "twice", "the receipt comes twice", receipts=2),
    SmsFate("8", "silent", "taken, and no receipt ever comes", state=""),
    SmsFate("9", "expired", "taken, and its validity ends", state="EXPIRED", error="255"),
)
SMS_SWITCHES = {
    "normal": None,
    "closed": SmsFate("", "closed", "every submit ends the connection", status=-2, state=""),
    "throttled": SmsFate("", "throttled", "every submit is told to slow down", 0x58, state=""),
    "unanswered": SmsFate("", "unanswered", "no submit is answered", status=-1, state=""),
    "error": SmsFate("", "error", "every submit gets a system error", status=0x08, state=""),
}
DELIVERED = SMS_FATES[0]
_BY_DIGIT = {fate.digit: fate for fate in SMS_FATES}


def sms_fate_of(number: str) -> SmsFate:
    """The fate of a number: digits, no plus."""
    return _BY_DIGIT.get(number[-3:-2], DELIVERED)
