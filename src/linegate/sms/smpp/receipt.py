"""Delivery receipts: what a deliver_sm says has become of a message.

Optional parameters go before the text, whose format is a convention of the field.
Source: SMPP 3.4, 2.11, 5.2.12 (esm_class), 5.3.2.12, 5.3.2.35 and Appendix B.
"""

import re
from datetime import UTC, datetime

import smpp34

from linegate.domain.transport import Receipt
from linegate.sms.smpp.answers import state_of
from linegate.sms.smpp.pdu import MESSAGE_PAYLOAD

__all__ = ["id_key", "is_receipt", "likely_keys", "read_receipt"]

_RECEIPT_BITS = 0b0011_1100
_RECEIPTS = (0b0000_0100, 0b0010_0000)  # a delivery receipt, an intermediate notification
_FIELD = re.compile(r"\b(id|stat|err|done date):(\S*)", re.IGNORECASE)
_CONTENT = re.compile(r"\btext:", re.IGNORECASE)  # what follows is the message's own
_LONGEST_ID = 65
_RECEIPTED_MESSAGE_ID = 0x001E
_MESSAGE_STATE = 0x0427


def is_receipt(delivery: smpp34.DeliverSm) -> bool:
    """Whether it is about a message of ours, and not one from a phone."""
    return delivery.esm_class & _RECEIPT_BITS in _RECEIPTS


def read_receipt(delivery: smpp34.DeliverSm) -> Receipt | None:
    """The receipt; None if it names no message."""
    found = {tlv.tag: tlv for tlv in delivery.tlvs}
    text = delivery.short_message
    if not text and MESSAGE_PAYLOAD in found:
        text = found[MESSAGE_PAYLOAD].value
    # Some SMSCs end the text with NUL as if it were a C string; the database keeps no NUL either.
    told = _CONTENT.split(text.decode("latin-1").replace("\0", " "), maxsplit=1)[0]
    fields = {name.lower(): value for name, value in _FIELD.findall(told)}
    named = found.get(_RECEIPTED_MESSAGE_ID)
    id_ = named.value.split(b"\0", 1)[0].decode("latin-1") if named else fields.get("id", "")
    if not id_ or len(id_) > _LONGEST_ID:
        return None
    numbered = found.get(_MESSAGE_STATE)
    number = numbered.as_int() if numbered else None
    word, status, error = state_of(fields.get("stat", "UNKNOWN") if number is None else number)
    code = fields.get("err", "").strip("0")
    return Receipt(
        ids=likely_keys(id_),
        destination=delivery.source_addr.removeprefix("+"),
        status=status,
        error=error,
        detail=f"{word} err:{fields['err']}"[:60] if code else word,
        done_at=_instant(fields.get("done date", "")),
    )


def id_key(id_: str) -> str:
    """The form an id of a submit's answer is kept in: lower case, no zeros in front."""
    return id_.lower().lstrip("0") or "0"


def likely_keys(id_: str) -> tuple[str, ...]:
    """The keys a receipt's id may mean, itself first: many SMSCs answer a submit in hexadecimal and
    write their receipts in decimal, or the other way round.
    """
    plain = id_key(id_)
    keys = [plain]
    if re.fullmatch(r"[0-9]{1,20}", plain):
        keys.append(f"{int(plain):x}")
    if re.fullmatch(r"[0-9a-f]{1,16}", plain):
        keys.append(str(int(plain, 16)))
    return tuple(dict.fromkeys(keys))


def _instant(text: str) -> datetime | None:
    """`YYMMDDhhmm` or with seconds. The zone is not said: nothing rests on it."""
    match = re.fullmatch(r"(\d{10})(\d{2})?", text)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1] + (match[2] or "00"), "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
