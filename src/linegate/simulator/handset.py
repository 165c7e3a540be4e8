"""What phones would have shown: parts put together and decoded.

The tables are written here once more on purpose: the gateway's own are proved against these.
Source: 3GPP TS 23.038 (alphabet), 3GPP TS 23.040, 9.2.3.24 (user data header).
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

__all__ = ["Handsets", "ShownSms", "decode_gsm"]

_ROWS = (
    "@£$¥èéùìòÇ\nØø\rÅå",
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ",
    " !\"#¤%&'()*+,-./",
    "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO",
    "PQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmno",
    "pqrstuvwxyzäöñüà",
)
_EXTENDED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_JOINED_8BIT = 0x00
_JOINED_16BIT = 0x08
_UCS2 = 8
_UNFINISHED = 10_000


def decode_gsm(septets: bytes) -> str:
    """The text of unpacked septets."""
    text, rest = "", iter(septets)
    for code in rest:
        if code == 0x1B:
            text += _EXTENDED.get(next(rest, 0x20), " ")
        else:
            text += _ROWS[code >> 4 & 7][code & 15]
    return text


@dataclass(frozen=True, slots=True)
class ShownSms:
    """One SMS on a phone. at: seconds since 1970 of its last part; parts: how many it took."""

    to: str
    sender: str
    text: str
    parts: int
    at: float


@dataclass(slots=True)
class _Unfinished:
    total: int
    pieces: dict[int, str] = field(default_factory=dict)


class Handsets:
    """All phones of the simulated network. Remembers the newest `most` texts."""

    def __init__(self, most: int = 10_000) -> None:
        self.shown: deque[ShownSms] = deque(maxlen=most)
        self._unfinished: OrderedDict[tuple[str, str, int], _Unfinished] = OrderedDict()

    def take(
        self, to: str, sender: str, body: bytes, *, coding: int, has_header: bool, at: float
    ) -> None:
        """One part has reached a phone; with the last one the text is shown."""
        if not has_header:
            self.shown.append(ShownSms(to, sender, _decoded(body, coding), 1, at))
            return
        length = body[0] + 1
        joined = _joined(body[1:length])
        piece = _decoded(body[length:], coding)
        if joined is None:
            self.shown.append(ShownSms(to, sender, piece, 1, at))
            return
        reference, total, number = joined
        key = (to, sender, reference)
        waiting = self._unfinished.setdefault(key, _Unfinished(total))
        waiting.pieces[number] = piece
        if len(waiting.pieces) == waiting.total:
            text = "".join(waiting.pieces[each] for each in sorted(waiting.pieces))
            self.shown.append(ShownSms(to, sender, text, total, at))
            del self._unfinished[key]
        while len(self._unfinished) > _UNFINISHED:
            self._unfinished.popitem(last=False)


def _decoded(body: bytes, coding: int) -> str:
    return body.decode("utf-16-be", "replace") if coding == _UCS2 else decode_gsm(body)


def _joined(header: bytes) -> tuple[int, int, int] | None:
    """Reference, total and number of a part; None if the header joins nothing."""
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if kind == _JOINED_8BIT and length == 3:
            return value[0], value[1], value[2]
        if kind == _JOINED_16BIT and length == 4:
            return value[0] << 8 | value[1], value[2], value[3]
        at += 2 + length
    return None
