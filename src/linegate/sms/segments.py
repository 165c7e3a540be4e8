"""A text as SMS parts: which alphabet, how many parts, and the bytes of each.

A part holds 160 septets or 70 UTF-16 units; with the header that joins several parts 153 or 67.
Neither an escape pair nor a surrogate pair is cut in two, so every part reads by itself.
Source: 3GPP TS 23.040, 9.2.3.24.1 (concatenated short messages, 8-bit reference).
"""

from dataclasses import dataclass
from enum import Enum

from linegate.sms.alphabet import ESCAPE, gsm_encode

__all__ = ["MOST_PARTS", "Coding", "Parts", "count_parts", "encode", "split"]

MOST_PARTS = 25
"""Source: status 25, REJECTED_MESSAGE_TOO_LONG, of the published registry (FACTS B3.1)."""

_OCTETS_ALONE = 140
_SEPTETS_ALONE = 160
_SEPTETS_JOINED = 153
_OCTETS_JOINED = 134


class Coding(Enum):
    """SMPP's data_coding, which names the alphabet. Source: SMPP 3.4, 5.2.19."""

    GSM = 0
    UCS2 = 8


@dataclass(frozen=True, slots=True)
class Parts:
    """A text's parts, without headers."""

    coding: Coding
    bodies: tuple[bytes, ...]


def encode(text: str) -> tuple[Coding, bytes]:
    """The whole text: GSM 03.38 if every character is in it, else UTF-16 (which UCS-2 phones show
    emoji from). Lone surrogates, which JSON can carry, become U+FFFD.
    """
    septets = gsm_encode(text)
    if septets is not None:
        return Coding.GSM, septets
    clean = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
    return Coding.UCS2, clean.encode("utf-16-be")


def split(text: str) -> Parts:
    """The text in as few parts as it takes; an empty text is one empty part."""
    coding, data = encode(text)
    alone = _SEPTETS_ALONE if coding is Coding.GSM else _OCTETS_ALONE
    if len(data) <= alone:
        return Parts(coding, (data,))
    bodies: list[bytes] = []
    start = 0
    while start < len(data):
        end = _end(coding, data, start)
        bodies.append(data[start:end])
        start = end
    return Parts(coding, tuple(bodies))


def count_parts(text: str) -> int:
    """How many SMS the text takes."""
    return len(split(text).bodies)


def _end(coding: Coding, data: bytes, start: int) -> int:
    """Where the part that begins at `start` ends."""
    if coding is Coding.GSM:
        end = start + _SEPTETS_JOINED
        return end - 1 if end < len(data) and data[end - 1] == ESCAPE else end
    end = start + _OCTETS_JOINED
    is_high = end < len(data) and 0xD8 <= data[end - 2] <= 0xDB
    return end - 2 if is_high else end
