"""The GSM 7-bit default alphabet and its extension table.

Source: 3GPP TS 23.038, 6.2.1 and 6.2.1.1.
"""

__all__ = ["ESCAPE", "gsm_decode", "gsm_encode"]

ESCAPE = 0x1B
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_ENCODED = {
    **{letter: bytes([code]) for code, letter in enumerate(_BASIC) if code != ESCAPE},
    **{letter: bytes([ESCAPE, code]) for letter, code in _EXTENSION.items()},
}
_EXTENDED = {code: letter for letter, code in _EXTENSION.items()}


def gsm_encode(text: str) -> bytes | None:
    """One byte per septet (unpacked); None if a character is in neither table."""
    try:
        return b"".join([_ENCODED[letter] for letter in text])
    except KeyError:
        return None


def gsm_decode(septets: bytes) -> str:
    """The text of unpacked septets; an unknown extension reads as its basic character."""
    letters: list[str] = []
    escaped = False
    for septet in septets:
        if septet == ESCAPE and not escaped:
            escaped = True
            continue
        basic = _BASIC[septet & 0x7F]
        letters.append(_EXTENDED.get(septet, basic) if escaped else basic)
        escaped = False
    return "".join(letters)
